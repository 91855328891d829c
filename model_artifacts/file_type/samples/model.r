library(stats)

tides <- read.csv("tides.csv", stringsAsFactors = FALSE)
tides$at <- as.POSIXct(tides$at, tz = "UTC")

fit <- lm(height ~ sin(2 * pi * phase) + cos(2 * pi * phase), data = tides)
print(summary(fit))

plot(tides$at, tides$height, type = "l", xlab = "", ylab = "metres")
lines(tides$at, predict(fit), col = "red")
