// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: all ports. debugfs shows them, and a CPU that comes or goes leaves
 * work of theirs behind.
 */
#include <linux/cpuhotplug.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mutex.h>

#include "device/port.h"

/* One that is in the list has all its fields. */
static LIST_HEAD(all_ports);
static DEFINE_MUTEX(all_ports_lock);

/* Ports hear of CPUs that came and went by these; constant after init. */
static enum cpuhp_state came_state __ro_after_init;
static enum cpuhp_state went_state __ro_after_init;

/* From here on @port is among all ports. Context: process. */
void gophership_ports_add(struct gophership_port *port)
{
	mutex_lock(&all_ports_lock);
	list_add_tail(&port->everywhere, &all_ports);
	mutex_unlock(&all_ports_lock);
}

/* From here on no walk through all ports finds @port. Context: process. */
void gophership_ports_remove(struct gophership_port *port)
{
	mutex_lock(&all_ports_lock);
	list_del(&port->everywhere);
	mutex_unlock(&all_ports_lock);
}

/* All ports, which stay until gophership_ports_unlock(). Context: process. */
struct list_head *gophership_ports_lock(void)
{
	mutex_lock(&all_ports_lock);
	return &all_ports;
}

void gophership_ports_unlock(void)
{
	mutex_unlock(&all_ports_lock);
}

/*
 * Do the work that a CPU asked for while it came or went, when it was not online. Context:
 * process; @cpu is online now, or dead.
 */
static int ports_of_cpu(unsigned int cpu)
{
	struct gophership_port *port;

	mutex_lock(&all_ports_lock);
	list_for_each_entry(port, &all_ports, everywhere)
		if (test_and_clear_bit(GOPHERSHIP_PORT_STRANDED, &port->flags))
			irq_work_queue(&port->wake);
	mutex_unlock(&all_ports_lock);
	return 0;
}

/* Context: process. Return: 0, or a negative errno. */
int __init gophership_ports_init(void)
{
	int ret = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "gophership/port:dead", NULL,
					    ports_of_cpu);

	if (ret < 0)
		return ret;
	went_state = ret;
	ret = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "gophership/port:online",
					ports_of_cpu, NULL);
	if (ret < 0) {
		cpuhp_remove_state_nocalls(went_state);
		return ret;
	}
	came_state = ret;
	return 0;
}

/* No port is left. Context: process. */
void gophership_ports_exit(void)
{
	cpuhp_remove_state_nocalls(came_state);
	cpuhp_remove_state_nocalls(went_state);
}
