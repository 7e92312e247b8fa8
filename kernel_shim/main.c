// SPDX-License-Identifier: Apache-2.0
/* /dev/iommu: open, close, and the dispatcher (iommufd 1.1 .. 1.3). */
#include <string.h>

#include "kernel_shim/iommufd.h"
#include "kernel_shim/uapi/iommufd_test.h"
#include "kernel_shim/uapi/layout.h"

typedef int handler_fn(struct iommufd_ucmd *ucmd);

/* By nr - 0x80; sizes and names stand in the layout table. */
static handler_fn *const handlers[] = {
	[IOMMUFD_NR_DESTROY - IOMMUFD_NR_BASE] = iommufd_cmd_destroy,
	[IOMMUFD_NR_IOAS_ALLOC - IOMMUFD_NR_BASE] = iommufd_ioas_alloc_ioctl,
	[IOMMUFD_NR_IOAS_ALLOW_IOVAS - IOMMUFD_NR_BASE] = iommufd_ioas_allow_iovas,
	[IOMMUFD_NR_IOAS_COPY - IOMMUFD_NR_BASE] = iommufd_ioas_copy,
	[IOMMUFD_NR_IOAS_IOVA_RANGES - IOMMUFD_NR_BASE] = iommufd_ioas_iova_ranges,
	[IOMMUFD_NR_IOAS_MAP - IOMMUFD_NR_BASE] = iommufd_ioas_map,
	[IOMMUFD_NR_IOAS_UNMAP - IOMMUFD_NR_BASE] = iommufd_ioas_unmap,
	[IOMMUFD_NR_OPTION - IOMMUFD_NR_BASE] = iommufd_option,
	[IOMMUFD_NR_VFIO_IOAS - IOMMUFD_NR_BASE] = iommufd_vfio_ioas,
	[IOMMUFD_NR_HWPT_ALLOC - IOMMUFD_NR_BASE] = iommufd_hwpt_alloc,
	[IOMMUFD_NR_GET_HW_INFO - IOMMUFD_NR_BASE] = iommufd_get_hw_info,
	[IOMMUFD_NR_HWPT_SET_DIRTY_TRACKING - IOMMUFD_NR_BASE] = iommufd_hwpt_set_dirty_tracking,
	[IOMMUFD_NR_HWPT_GET_DIRTY_BITMAP - IOMMUFD_NR_BASE] = iommufd_hwpt_get_dirty_bitmap,
	[IOMMUFD_NR_HWPT_INVALIDATE - IOMMUFD_NR_BASE] = iommufd_hwpt_invalidate,
	[IOMMUFD_NR_FAULT_QUEUE_ALLOC - IOMMUFD_NR_BASE] = iommufd_fault_alloc,
	[IOMMUFD_NR_IOAS_MAP_FILE - IOMMUFD_NR_BASE] = iommufd_ioas_map_file,
	[IOMMUFD_NR_VIOMMU_ALLOC - IOMMUFD_NR_BASE] = iommufd_viommu_alloc,
	[IOMMUFD_NR_VDEVICE_ALLOC - IOMMUFD_NR_BASE] = iommufd_vdevice_alloc,
	[IOMMUFD_NR_IOAS_CHANGE_PROCESS - IOMMUFD_NR_BASE] = iommufd_ioas_change_process,
	[IOMMUFD_NR_VEVENTQ_ALLOC - IOMMUFD_NR_BASE] = iommufd_veventq_alloc,
	[IOMMUFD_NR_HW_QUEUE_ALLOC - IOMMUFD_NR_BASE] = iommufd_hw_queue_alloc,
	[IOMMUFD_NR_IOAS_NOIOMMU_GET_PA - IOMMUFD_NR_BASE] = iommufd_ioas_noiommu_get_pa,
	[IOMMUFD_NR_TEST_CMD - IOMMUFD_NR_BASE] = iommufd_test,
};

#define HANDLERS         (sizeof(handlers) / sizeof(handlers[0]))
#define COMMAND_SIZE_MAX sizeof(struct iommu_test_cmd) /* the largest argument struct */

int copy_from_user(struct thread *thread, void *to, struct va from, uint64_t size)
{
	struct process *process = thread->process;
	if (fails_here(process->machine, "copy from user"))
		return -EFAULT;
	return mm_read(process->mm, from, to, size) == size ? 0 : -EFAULT;
}

int copy_to_user(struct thread *thread, struct va to, const void *from, uint64_t size)
{
	struct process *process = thread->process;
	if (fails_here(process->machine, "copy to user"))
		return -EFAULT;
	return mm_write(process->mm, to, from, size) == size ? 0 : -EFAULT;
}

/* 0 when [FROM, FROM + SIZE) is readable and zero. */
static int check_zeroed_user(struct thread *thread, struct va from, uint64_t size)
{
	struct machine *machine = thread->process->machine;
	uint8_t bytes[256];
	while (size > 0) {
		uint64_t n = size < sizeof(bytes) ? size : sizeof(bytes);
		uint64_t got = mm_read(thread->process->mm, from, bytes, n);
		for (uint64_t i = 0; i < got; i++)
			if (bytes[i] != 0)
				return refuse(machine, E2BIG, "iommufd 1.3 5",
					      "a byte past the known struct is not zero");
		if (got < n)
			return refuse(machine, EFAULT, "iommufd 1.3 5",
				      "the bytes past the known struct can't be read");
		from.value += n;
		size -= n;
	}
	return 0;
}

int copy_struct_from_user(struct thread *thread, void *to, uint64_t size, struct va from,
			  uint64_t user_size)
{
	uint64_t known = user_size < size ? user_size : size;
	memset(to, 0, size);
	if (user_size > size) {
		int error = check_zeroed_user(thread, va_of(from.value + size), user_size - size);
		if (error != 0)
			return error;
	}
	if (copy_from_user(thread, to, from, known) != 0)
		return refuse(thread->process->machine, EFAULT, "iommufd 1.3 5",
			      "the struct can't be read");
	return 0;
}

int copy_user_data(const struct user_data *data, const struct user_data_form *form, void *to)
{
	struct machine *machine = data->thread->process->machine;
	if (data->type != form->type)
		return refuse(machine, EINVAL, "iommufd 4.1 copy struct", form->not_type);
	if (data->length < form->min || data->length > form->size)
		return refuse(machine, EINVAL, "iommufd 4.1 copy struct", form->not_length);
	if (copy_struct_from_user(data->thread, to, form->size, data->va, data->length) != 0)
		return refuse(machine, EFAULT, "iommufd 4.1 copy struct",
			      "data_len bytes at data_uptr can't be read");
	return 0;
}

int copy_array_entry(const struct user_data_array *array, uint32_t index, void *entry,
		     uint64_t size)
{
	struct va at = va_of(array->va.value + (uint64_t)index * array->entry_length);
	int error = copy_struct_from_user(array->thread, entry, size, at, array->entry_length);
	if (error == 0)
		return 0;
	return refuse(array->thread->process->machine, -error, "iommufd 1.3 5",
		      error == -E2BIG ? "a byte past the known entry, within entry_len, is not zero"
				      : "entry_len bytes of an entry at data_uptr can't be read");
}

int iommufd_respond(struct iommufd_ucmd *ucmd)
{
	uint32_t size = ucmd->user_size < ucmd->cmd_size ? ucmd->user_size : ucmd->cmd_size;
	if (copy_to_user(ucmd->thread, ucmd->user, ucmd->cmd, size) != 0)
		return refuse(ucmd->machine, EFAULT, "iommufd 1.3 respond",
			      "the struct can't be written back");
	return 0;
}

/* Publishes or undoes what the handler created through ucmd->new_object (1.3 step 7). */
static void finish_new_object(struct iommufd_ucmd *ucmd, int result)
{
	if (ucmd->new_object == NULL)
		return;
	if (result == 0)
		iommufd_object_publish(ucmd->ictx, ucmd->new_object);
	else
		iommufd_object_abort_and_destroy(ucmd->ictx, ucmd->new_object);
}

static int64_t iommufd_fops_ioctl(struct thread *thread, struct file *file, uint32_t cmd,
				  struct va arg)
{
	struct iommufd_ctx *ictx = file->priv;
	struct machine *machine = ictx->machine;
	uint32_t nr = cmd & 0xff;
	uint32_t user_size;
	if (nr < IOMMUFD_NR_BASE || nr - IOMMUFD_NR_BASE >= HANDLERS)
		return iommufd_vfio_ioctl(ictx, thread, cmd, arg);
	if (copy_from_user(thread, &user_size, arg, sizeof(user_size)) != 0)
		return refuse(machine, EFAULT, "iommufd 1.3 2", "the size field can't be read");
	const struct ioctl_layout *layout = ioctl_layout_by_cmd(cmd);
	handler_fn *handler = handlers[nr - IOMMUFD_NR_BASE];
	if (handler == NULL || layout == NULL)
		return refuse(machine, ENOTTY, "iommufd 1.3 3", "no such command");
	if (user_size < layout->min_size)
		return refuse(machine, EINVAL, "iommufd 1.3 4", "size below the command's minimum");

	uint64_t storage[COMMAND_SIZE_MAX / sizeof(uint64_t)];
	int error = copy_struct_from_user(thread, storage, layout->size, arg, user_size);
	if (error != 0)
		return error;
	struct iommufd_ucmd ucmd = {
		.ictx = ictx,
		.machine = machine,
		.thread = thread,
		.user = arg,
		.user_size = user_size,
		.cmd = storage,
		.cmd_size = layout->size,
	};
	int result = handler(&ucmd);
	finish_new_object(&ucmd, result);
	return result;
}

static void iommufd_fops_release(struct file *file)
{
	struct iommufd_ctx *ictx = file->priv;
	iommufd_objects_release(ictx);
	arena_free(ictx->machine->arena, ictx->slots, ictx->slot_capacity * sizeof(*ictx->slots));
	arena_delete(ictx->machine->arena, ictx);
}

static const struct file_ops iommufd_fops = {
	.name = "/dev/iommu",
	.release = iommufd_fops_release,
	.ioctl = iommufd_fops_ioctl,
	.mmap = iommufd_fops_mmap,
	.hash = iommufd_hash,
};

static struct file *iommufd_fops_open(struct thread *thread, void *context, uint32_t flags,
				      int *error)
{
	(void)context;
	struct machine *machine = thread->process->machine;
	if (no_memory(machine, "context")) {
		*error = -ENOMEM;
		return NULL;
	}
	struct iommufd_ctx *ictx = arena_new(machine->arena, struct iommufd_ctx);
	ictx->machine = machine;
	ictx->file = file_new(machine, &iommufd_fops, ictx, flags);
	ictx->slot_count = 1; /* id 0 is no object */
	ictx->slot_capacity = 16;
	ictx->slots = arena_alloc(machine->arena, ictx->slot_capacity * sizeof(*ictx->slots));
	ictx->slots[0].state = SLOT_TOMBSTONE;
	ictx->lowest_free = 1;
	TAILQ_INIT(&ictx->groups);
	TAILQ_INIT(&ictx->mmaps);
	wait_queue_init(&ictx->destroy_wait);
	mutex_init(&ictx->ioas_creation_lock);
	return ictx->file;
}

struct iommufd_ctx *iommufd_ctx_from_file(struct file *file)
{
	return file->ops == &iommufd_fops ? file->priv : NULL;
}

void iommufd_register(struct machine *machine)
{
	struct iommufd_module *module = arena_new(machine->arena, struct iommufd_module);
	module->temp_memory_limit = 65536;
	option_set_init(&module->options, kernel_options);
	machine->kernel = module;
	machine->move_pinned = iommufd_move_pinned;
	machine_register_device(machine, "/dev/iommu", iommufd_fops_open, NULL);
}
