/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generated skeleton of lease.bpf.c, which is not written to this project's warning options. */
#ifndef MEMCGFS_LEASE_SKELETON_H
#define MEMCGFS_LEASE_SKELETON_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "accounting/lease.skel.h"
#pragma GCC diagnostic pop

#endif
