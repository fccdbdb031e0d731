// SPDX-License-Identifier: GPL-2.0-or-later
/* fill MIB: fill MIB with blocks of 8 KiB from malloc, then read all of them again. The work that a
 * limit is timed with. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 8192

int main(int argc, char **argv)
{
	size_t nr = argc == 2 ? strtoul(argv[1], NULL, 10) * 1024 * 1024 / BLOCK_BYTES : 0;
	unsigned char **block = calloc(nr, sizeof(*block));
	unsigned sum = 0;

	if (!nr || !block)
		errx(2, "usage: fill MIB");
	for (size_t i = 0; i < nr; i++) {
		block[i] = malloc(BLOCK_BYTES);
		if (!block[i])
			err(3, "malloc");
		memset(block[i], (int)i, BLOCK_BYTES);
	}
	for (size_t i = 0; i < nr; i++)
		for (size_t j = 0; j < BLOCK_BYTES; j += 64)
			sum += block[i][j];
	/* Every block holds one value: what came back from swap must be what went there. */
	for (size_t i = 0; i < nr; i++)
		sum -= BLOCK_BYTES / 64 * (unsigned)(i & 0xff);
	return sum != 0;
}
