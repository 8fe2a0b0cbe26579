// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the windows of a context, mapped into user space.
 *
 * A context has one window for each size class; slot n of the class is at
 * n * capacity in it. Pages are installed by the fault handler itself, under
 * the context's lock, and not by the caller of the handler from vmf->page:
 *
 *   fault                              release
 *     down_read(lock)                    down_write(lock)
 *     find the loan, see its handle      handle = 0
 *     install the PTEs                   up_write(lock)
 *     up_read(lock)                      unmap_mapping_pages()
 *
 * A fault that saw the handle has its PTEs in place before release gets the
 * lock, so unmap_mapping_pages() finds them; one that comes later sees no
 * handle and is a SIGBUS. Therefore no PTE for the buffer appears after the
 * unmapping, with any number of mappings, threads and processes. The slot
 * is free for another buffer only after that. So the unmapping hits no pages of
 * another buffer, and the slot does not reach the old one any more.
 *
 * fork() and mremap() copy and move PTEs without asking. Both put the new VMA
 * behind the old one in the mapping's tree (or hold the tree's lock), so that
 * a walk of the tree meets a PTE at its old or its new place; truncation of
 * files relies on the same. A child inherits nothing unless its parent asked
 * for it by MADV_DOFORK (which newer kernels refuse here), and then the
 * child's VMA is in the tree, too.
 *
 * The pages are ordinary ones: GUP, and so O_DIRECT, io_uring and vmsplice,
 * pins them. What a pin means for release is told in device/lease.c.
 */
#include <linux/align.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>

#include "device/account.h"
#include "device/counts.h"
#include "device/offsets.h"
#include "device/window.h"
#include "gophership_compat.h"
#include "pool/types.h"

#define STRIDE_PAGES	(1UL << (GOPHERSHIP_STRIDE_SHIFT - PAGE_SHIFT))

static_assert(GOPHERSHIP_QUOTA_MB_MAX <= (1ULL << GOPHERSHIP_STRIDE_SHIFT) >> 20);

/* The slots that a context has in @class: enough for all of its quota. */
u32 gophership_window_slots(const struct gophership_context *context, unsigned int class)
{
	return context->account->quota >> gophership_class_order(class);
}

static pgoff_t slot_pgoff(unsigned int class, u32 slot)
{
	return (class + 1) * STRIDE_PAGES + gophership_class_pages(slot, class);
}

/* Where slot @slot of @class lies in the context's file, in bytes. */
u64 gophership_window_offset(unsigned int class, u32 slot)
{
	return (u64)slot_pgoff(class, slot) << PAGE_SHIFT;
}

/* Install the loan's pages, as far as the VMA covers them, in one fault. */
static vm_fault_t install_loan(struct vm_fault *vmf, const struct gophership_loan *loan)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *page = virt_to_page(loan->buf->data);
	pgoff_t base = slot_pgoff(loan->class, loan->slot);
	pgoff_t end = min(base + gophership_class_pages(1, loan->class),
			  vma->vm_pgoff + vma_pages(vma));
	pgoff_t pgoff = max(base, vma->vm_pgoff);
	int ret;

	ret = vm_insert_page(vma, vmf->address, page + (vmf->pgoff - base));
	/* Busy: another thread was faster. */
	if (ret && ret != -EBUSY)
		return vmf_error(ret);

	/* Fault-around is best effort: a page that fails here faults again. */
	for (; pgoff < end; pgoff++) {
		unsigned long addr = vma->vm_start + ((pgoff - vma->vm_pgoff) << PAGE_SHIFT);

		if (pgoff != vmf->pgoff)
			vm_insert_page(vma, addr, page + (pgoff - base));
	}
	return VM_FAULT_NOPAGE;
}

/* Context: mmap_lock or the VMA's lock held for reading; may sleep. */
static vm_fault_t window_fault(struct vm_fault *vmf)
{
	struct gophership_context *context = vmf->vma->vm_file->private_data;
	unsigned int class = vmf->pgoff / STRIDE_PAGES - 1;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	struct gophership_loan *loan;

	/*
	 * Some kernels let userfaultfd write-protect any memory. It leaves
	 * markers in place of unmapped PTEs, which vm_insert_page() takes for
	 * another thread's work: the fault would repeat for ever.
	 */
	if (userfaultfd_armed(vmf->vma))
		return VM_FAULT_SIGBUS;

	down_read(&context->lock);
	loan = xa_load(&context->loans[class],
		       (vmf->pgoff % STRIDE_PAGES) >> gophership_class_order(class));
	if (loan && loan->handle) {
		/* Before the first PTE: release looks at it after us. */
		WRITE_ONCE(loan->faulted, true);
		atomic64_inc(&context->faults);
		gophership_count(GOPHERSHIP_COUNT_FAULTS, 1);
		ret = install_loan(vmf, loan);
	}
	up_read(&context->lock);
	return ret;
}

static const struct vm_operations_struct window_vm_ops = {
	.fault = window_fault,
};

/* Whether the VMA lies in one window as a whole. */
static bool window_covers(const struct gophership_context *context, struct vm_area_struct *vma)
{
	unsigned long class = vma->vm_pgoff / STRIDE_PAGES;
	unsigned long first = vma->vm_pgoff % STRIDE_PAGES;
	unsigned long length;

	if (class < 1 || class > GOPHERSHIP_NR_CLASSES)
		return false;
	class--;
	length = gophership_class_pages(gophership_window_slots(context, class), class);
	return first < length && vma_pages(vma) <= length - first;
}

/**
 * gophership_window_mmap() - map a window of the context or a part of it
 * @file: the context's file
 * @vma: the mapping to be
 *
 * Nothing is mapped yet; pages come by faults. The mapping is shared, is not
 * inherited over fork, does not grow and is not in core dumps. It is never
 * executable: the pages go from one trust domain to another.
 *
 * Context: process, mmap_lock held for writing.
 * Return: 0; -EINVAL for a private mapping or a range that is not within one
 * window; -EACCES for PROT_EXEC.
 */
int gophership_window_mmap(struct file *file, struct vm_area_struct *vma)
{
	/* Not VM_SHARED: MAP_SHARED of a file open for reading only lacks it. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (!window_covers(file->private_data, vma))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;

	gophership_vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
				VM_MAYEXEC);
	vma->vm_ops = &window_vm_ops;
	return 0;
}

/*
 * Unmap @nr loans of @context from every address space. Their handles are 0.
 * Neighbours are unmapped by one call: each costs a flush of other CPUs' TLBs.
 */
void gophership_window_unmap(struct gophership_context *context, struct gophership_loan **loans,
			     unsigned int nr)
{
	struct address_space *mapping = context->inode->i_mapping;
	pgoff_t first = 0;
	pgoff_t end = 0;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct gophership_loan *loan = loans[i];
		pgoff_t from = slot_pgoff(loan->class, loan->slot);
		pgoff_t to = from + gophership_class_pages(1, loan->class);

		if (!loan->faulted)
			continue;
		if (from == end) {
			end = to;
			continue;
		}
		if (to == first) {
			first = from;
			continue;
		}
		if (end)
			unmap_mapping_pages(mapping, first, end - first, true);
		first = from;
		end = to;
	}
	if (end)
		unmap_mapping_pages(mapping, first, end - first, true);
}
