// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: names of call sites, also of those that are gone.
 *
 * A buffer may be on loan for longer than the code that acquired it is there. The init
 * text of a driver goes when init returns, and all of a driver when it is unloaded. Just
 * before that, descriptors get the address of a name in place of such a call site. So a
 * report can name a leak at any later time, and an acquire does nothing for it.
 *
 * Not covered: the call site of the last release, whose word is the holder's cookie while
 * a buffer is on loan; and drivers that found the pool by symbol_get(), which the kernel
 * does not list as users. What is said of these may be "unknown", or the name of
 * code that came to the same place.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "pool/registry.h"
#include "pool/site.h"

/* Names that are kept. Each is of another place, so a driver that is loaded anew adds none. */
#define KEPT_MAX	256

/**
 * struct kept - a name that outlives its call site
 * @next: the one before; constant
 * @call_site: what the name stands for while code goes, 0 if for nothing. Under kept_lock
 * @name: constant
 */
struct kept {
	struct kept *next;
	unsigned long call_site;
	struct gophership_site_name name;
};

/* For those that no name can be kept of. It is behind all others. */
static struct kept gone = { .name.text = "code that is gone" };

/*
 * The last one that was added. Written by the notifier, one at a time (kept_lock); read
 * in any context. None is freed until the module goes.
 */
static struct kept *kept_names = &gone;
static unsigned int nr_kept;
static DEFINE_MUTEX(kept_lock);

static const struct kept *find_kept(unsigned long call_site)
{
	const struct kept *kept;

	/* (I) pairs with (I) in keep(). */
	for (kept = smp_load_acquire(&kept_names); kept; kept = kept->next)
		if ((unsigned long)kept == call_site)
			return kept;
	return NULL;
}

/**
 * gophership_site_name() - the name of a call site
 * @call_site: as remembered, or what was found in its place
 * @name: where to write the name
 *
 * A word without a symbol gets the name "unknown": it may be any word of memory, if the
 * descriptor that it was read from is gone.
 *
 * Context: any.
 * Return: the name.
 */
const char *gophership_site_name(unsigned long call_site, struct gophership_site_name *name)
{
	const struct kept *kept = find_kept(call_site);

	if (kept) {
		*name = kept->name;
		return name->text;
	}
	snprintf(name->text, sizeof(name->text), "%pS", (void *)call_site);
	if (strstarts(name->text, "0x"))
		return "unknown";
	return name->text;
}

/* The kept name that reads as @name, made if there is none; NULL if it cannot be. */
static struct kept *keep(const struct gophership_site_name *name)
{
	struct kept *kept;

	for (kept = kept_names; kept; kept = kept->next)
		if (!strcmp(kept->name.text, name->text))
			return kept;
	if (nr_kept == KEPT_MAX)
		return NULL;
	kept = kmalloc(sizeof(*kept), GFP_KERNEL);
	if (!kept)
		return NULL;
	kept->next = kept_names;
	kept->name = *name;
	nr_kept++;
	smp_store_release(&kept_names, kept); /* (I) pairs with (I) in find_kept() */
	return kept;
}

/**
 * struct going - code that goes
 * @module: of what module
 * @state: that it has reached
 * @nameless: a call site that a name is to be made for
 * @full: no more names are made; what has none yet is "code that is gone"
 */
struct going {
	const struct module *module;
	unsigned long state;
	unsigned long nameless;
	bool full;
};

static bool goes(const struct going *going, unsigned long call_site)
{
	if (going->state == MODULE_STATE_LIVE)
		return within_module_init(call_site, going->module);
	return within_module(call_site, going->module);
}

/*
 * The name for *@call_site if that goes. Returns false if it is to be made. Context: the
 * registry's lock held, so no memory can be had.
 */
static bool give_name(unsigned long *call_site, void *arg)
{
	struct going *going = arg;
	const struct kept *kept;

	if (!goes(going, *call_site))
		return true;
	for (kept = kept_names; kept; kept = kept->next)
		if (kept->call_site == *call_site)
			break;
	if (!kept && !going->full) {
		going->nameless = *call_site;
		return false;
	}
	*call_site = (unsigned long)(kept ?: &gone);
	return true;
}

static void make_name(struct going *going)
{
	struct gophership_site_name name;
	struct kept *kept;

	snprintf(name.text, sizeof(name.text), "%pS", (void *)going->nameless);
	kept = keep(&name);
	if (kept)
		kept->call_site = going->nameless;
	else
		going->full = true;
	going->nameless = 0;
}

/*
 * One walk through all descriptors, on loan or not: the next message may be of a free
 * one. It ends at no signal: rmmod may be killed, and the code goes none the less.
 */
static void keep_names(const struct module *module, unsigned long state)
{
	struct going going = { .module = module, .state = state };
	unsigned long key = 0;
	struct kept *kept;

	mutex_lock(&kept_lock);
	/* The code of an earlier module may have been at the same place. */
	for (kept = kept_names; kept; kept = kept->next)
		kept->call_site = 0;
	while (gophership_registry_rename(&key, give_name, &going)) {
		if (going.nameless)
			make_name(&going);
		cond_resched();
	}
	mutex_unlock(&kept_lock);
}

/*
 * Can @module import from this one? Else it has acquired nothing. It may have another
 * reason to import something; then the registry is looked at in vain. The list does not
 * change while the module is told of. It has no users of a pool that is built in.
 */
static bool may_import(const struct module *module)
{
#if defined(CONFIG_MODULE_UNLOAD) && defined(MODULE)
	return !list_empty(&module->target_list) && module_refcount(THIS_MODULE) > 0;
#else
	return true;
#endif
}

static int module_changes(struct notifier_block *block, unsigned long state, void *data)
{
	const struct module *module = data;

	if ((state == MODULE_STATE_LIVE || state == MODULE_STATE_GOING) &&
	    may_import(module))
		keep_names(module, state);
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = { .notifier_call = module_changes };

/* Context: process. Return: 0, or a negative errno. */
int __init gophership_sites_init(void)
{
	return register_module_notifier(&module_notifier);
}

/* No report comes any more. Context: process. */
void gophership_sites_exit(void)
{
	struct kept *kept, *next;

	unregister_module_notifier(&module_notifier);
	for (kept = kept_names; kept != &gone; kept = next) {
		next = kept->next;
		kfree(kept);
	}
	kept_names = &gone;
}
