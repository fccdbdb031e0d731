/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Swap for tests: a zram device of the test's own, taken down at its end. It touches no other. */
#ifndef MEMCGFS_OWN_SWAP_H
#define MEMCGFS_OWN_SWAP_H

/* Set up. 0, or -errno where this may not or cannot be done. */
int own_swap_on(unsigned mib);

/* Take down. 0 or -errno. Must be called in the process that called own_swap_on. */
int own_swap_off(void);

#endif
