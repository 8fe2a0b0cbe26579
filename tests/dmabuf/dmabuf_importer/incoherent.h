/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device whose caches are not coherent, as behind the IOMMU of a small machine.
 */
#ifndef TESTS_IMPORTER_INCOHERENT_H
#define TESTS_IMPORTER_INCOHERENT_H

#include "importer.h"

struct device;

/* The device, or NULL: this kernel gives no device mapping calls of its own. */
struct device *incoherent_device(void);

/* What was synchronised since the last call. */
void incoherent_syncs(struct importer_syncs *syncs);

int incoherent_init(void);
void incoherent_exit(void);

#endif /* TESTS_IMPORTER_INCOHERENT_H */
