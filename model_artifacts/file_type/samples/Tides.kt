package harbour

import java.time.Duration
import java.time.Instant

data class Tide(val at: Instant, val metres: Double)

fun List<Tide>.next(after: Instant): Tide? = firstOrNull { it.at.isAfter(after) }

fun main() {
    val now = Instant.now()
    val tides = (0..3).map { Tide(now.plus(Duration.ofHours(6L * it)), if (it % 2 == 0) 3.4 else 0.9) }
    println(tides.next(now)?.metres ?: "none")
}
