/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: names of call sites.
 */
#ifndef GOPHERSHIP_POOL_SITE_H
#define GOPHERSHIP_POOL_SITE_H

/* Room for the name of a call site; a longer one is cut off. */
struct gophership_site_name {
	char text[96];
};

const char *gophership_site_name(unsigned long call_site, struct gophership_site_name *name);
int gophership_sites_init(void);
void gophership_sites_exit(void);

#endif /* GOPHERSHIP_POOL_SITE_H */
