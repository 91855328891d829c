#include <stdio.h>
#include <stdlib.h>

/* Sums the rows of a matrix read from standard input. */
int main(int argc, char **argv) {
    size_t rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 3;
    for (size_t row = 0; row < rows; row++) {
        double total = 0, value;
        for (int column = 0; column < 4; column++) {
            if (scanf("%lf", &value) != 1) {
                fprintf(stderr, "row %zu is too short\n", row);
                return EXIT_FAILURE;
            }
            total += value;
        }
        printf("%.3f\n", total);
    }
    return EXIT_SUCCESS;
}
