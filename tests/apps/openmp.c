/*
 * Jacobi's iteration with OpenMP: parallel regions, reductions, tasks and critical sections. Compiled
 * with -fopenmp (tests/packages.mk).
 *
 *	openmp [SIZE [ITERATIONS]]
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 300, iterations = argc > 2 ? atoi(argv[2]) : 16000;
	size_t bytes = (size_t)n * (size_t)n * sizeof(double);
	double *a = calloc(1, bytes), *b = calloc(1, bytes);
	uint64_t hash = 0, tasks = 0;

	for (int i = 0; i < n; i++)
		a[i] = b[i] = 100 + i % 7;
	for (int k = 1; k <= iterations; k++) {
		double change = 0;

#pragma omp parallel for reduction(max : change) schedule(dynamic, 16)
		for (int i = 1; i < n - 1; i++)
			for (int j = 1; j < n - 1; j++) {
				double v = 0.25 * (a[(i - 1) * n + j] + a[(i + 1) * n + j] +
						   a[i * n + j - 1] + a[i * n + j + 1]);

				change = fmax(change, fabs(v - a[i * n + j]));
				b[i * n + j] = v;
			}
#pragma omp parallel
#pragma omp single
		for (int t = 0; t < 4; t++) {
#pragma omp task firstprivate(t)
			{
#pragma omp critical
				tasks += (uint64_t)(t * k);
			}
		}
		double *swap = a;

		a = b;
		b = swap;
		if (k % 80 == 0) {
			printf("iteration %d: change %.17g, tasks %lu\n", k, change, (long)tasks);
			fflush(stdout);
		}
	}
	for (size_t i = 0; i < bytes / 8; i++) {
		uint64_t word;

		memcpy(&word, &a[i], 8);
		hash = (hash ^ word) * 0x100000001b3ull;
	}
	printf("hash %016lx\n", (long)hash);
	free(a);
	free(b);
	return 0;
}
