// SPDX-License-Identifier: Apache-2.0
/* VFIO device files: bind to an iommufd, attach, detach (iommufd 4.7). */
#include "kernel_shim/vfio_cdev.h"

#include <string.h>

#include "kernel_shim/uapi/vfio.h"

struct vfio_file {
	struct device *device;
	struct iommufd_device *idev; /* NULL: not bound */
};

#define BIND_SIZE_MIN 16U

static int cant_read(struct machine *machine)
{
	return refuse(machine, EFAULT, "iommufd 4.7", "the struct can't be read");
}

/* The order is the sheet's (4.7). */
static int bind_device(struct thread *thread, struct vfio_file *vfio, struct va arg)
{
	struct machine *machine = thread->process->machine;
	struct vfio_device_bind_iommufd bind;
	uint32_t argsz;
	if (copy_from_user(thread, &argsz, arg, sizeof(argsz)) != 0)
		return cant_read(machine);
	if (argsz < BIND_SIZE_MIN)
		return refuse(machine, EINVAL, "iommufd 4.7 BIND", "argsz below 16");
	int error = copy_struct_from_user(thread, &bind, sizeof(bind), arg, argsz);
	if (error != 0)
		return error;
	/* No device here has a token to match. */
	if (bind.iommufd < 0 || bind.flags != 0)
		return refuse(machine, EINVAL, "iommufd 4.7 BIND", "bad descriptor or flags");
	if (vfio->idev != NULL)
		return refuse(machine, EINVAL, "iommufd 4.7 BIND", "bound already");
	struct file *file = fd_file(thread->process, bind.iommufd);
	if (file == NULL)
		return refuse(machine, EBADF, "iommufd 4.7 BIND", "iommufd is not open");
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);
	if (ictx == NULL)
		return refuse(machine, EBADFD, "iommufd 4.7 BIND", "not an iommufd");
	if (vfio->device->vfio_bound)
		return refuse(machine, EINVAL, "iommufd 4.7 BIND",
			      "the device is bound by another descriptor");
	error = iommufd_device_bind(ictx, vfio->device, &vfio->idev);
	if (error != 0)
		return error;
	file_get(file); /* a bound device keeps its context */
	vfio->device->vfio_bound = true;
	bind.out_devid = vfio->idev->object.id;
	struct va out = va_of(arg.value + offsetof(struct vfio_device_bind_iommufd, out_devid));
	if (copy_to_user(thread, out, &bind.out_devid, sizeof(bind.out_devid)) == 0)
		return 0;
	iommufd_device_unbind(vfio->idev);
	vfio->device->vfio_bound = false;
	vfio->idev = NULL;
	file_put(file);
	return refuse(machine, EFAULT, "iommufd 4.7 BIND", "out_devid can't be written");
}

/* Reads the SIZE bytes up to the pasid, and the pasid where FLAG asks for it. */
static int read_pasid_struct(struct thread *thread, struct va arg, void *to, uint32_t size,
			     uint32_t flag, const char *rule)
{
	struct machine *machine = thread->process->machine;
	uint32_t head[2]; /* argsz, flags */
	if (copy_from_user(thread, to, arg, size) != 0)
		return cant_read(machine);
	memcpy(head, to, sizeof(head));
	if (head[0] < size || (head[1] & ~flag) != 0)
		return refuse(machine, EINVAL, rule, "argsz or flags");
	if (!(head[1] & flag))
		return 0;
	if (head[0] < size + sizeof(uint32_t))
		return refuse(machine, EINVAL, rule, "argsz leaves no room for pasid");
	if (copy_from_user(thread, (uint8_t *)to + size, va_of(arg.value + size),
			   sizeof(uint32_t)) != 0)
		return cant_read(machine);
	return 0;
}

static int attach_device(struct thread *thread, struct vfio_file *vfio, struct va arg)
{
	struct machine *machine = thread->process->machine;
	struct vfio_device_attach_iommufd_pt attach = {0};
	int error = read_pasid_struct(thread, arg, &attach,
				      offsetof(struct vfio_device_attach_iommufd_pt, pasid),
				      VFIO_DEVICE_ATTACH_PASID, "iommufd 4.7 ATTACH");
	if (error != 0)
		return error;
	uint32_t pt_id = attach.pt_id;
	bool attached = iommufd_device_is_attached(vfio->idev, attach.pasid);
	error = attached ? iommufd_device_replace(vfio->idev, attach.pasid, &pt_id)
			 : iommufd_device_attach(vfio->idev, attach.pasid, &pt_id);
	if (error != 0)
		return error;
	struct va out = va_of(arg.value + offsetof(struct vfio_device_attach_iommufd_pt, pt_id));
	if (copy_to_user(thread, out, &pt_id, sizeof(pt_id)) == 0)
		return 0;
	/* Whatever was attached: the RID goes. */
	iommufd_device_detach(vfio->idev, 0);
	return refuse(machine, EFAULT, "iommufd 4.7 ATTACH", "pt_id can't be written");
}

static int detach_device(struct thread *thread, struct vfio_file *vfio, struct va arg)
{
	struct vfio_device_detach_iommufd_pt detach = {0};
	int error = read_pasid_struct(thread, arg, &detach,
				      offsetof(struct vfio_device_detach_iommufd_pt, pasid),
				      VFIO_DEVICE_DETACH_PASID, "iommufd 4.7 DETACH");
	if (error == 0)
		iommufd_device_detach(vfio->idev, detach.pasid);
	return error;
}

static int64_t vfio_ioctl(struct thread *thread, struct file *file, uint32_t cmd, struct va arg)
{
	struct vfio_file *vfio = file->priv;
	struct machine *machine = file->machine;
	if (cmd == VFIO_DEVICE_BIND_IOMMUFD)
		return bind_device(thread, vfio, arg);
	if (vfio->idev == NULL)
		return refuse(machine, EINVAL, "iommufd 4.7", "the device is not bound");
	if (cmd == VFIO_DEVICE_ATTACH_IOMMUFD_PT)
		return attach_device(thread, vfio, arg);
	if (cmd == VFIO_DEVICE_DETACH_IOMMUFD_PT)
		return detach_device(thread, vfio, arg);
	return refuse(machine, ENOTTY, "iommufd 4.7", "no such command");
}

static void vfio_release(struct file *file)
{
	struct vfio_file *vfio = file->priv;
	if (vfio->idev != NULL) {
		struct file *context = vfio->idev->ictx->file;
		iommufd_device_detach_all(vfio->idev);
		iommufd_device_unbind(vfio->idev);
		vfio->device->vfio_bound = false;
		file_put(context);
	}
	arena_delete(file->machine->arena, vfio);
}

static const struct file_ops vfio_fops = {
	.name = "vfio device",
	.release = vfio_release,
	.ioctl = vfio_ioctl,
};

/* NOLINTNEXTLINE(readability-non-const-parameter): a device_open_fn; this one never fails */
static struct file *vfio_open(struct thread *thread, void *context, uint32_t flags, int *error)
{
	struct machine *machine = thread->process->machine;
	struct vfio_file *vfio = arena_new(machine->arena, struct vfio_file);
	(void)error;
	vfio->device = context;
	return file_new(machine, &vfio_fops, vfio, flags);
}

void vfio_cdev_register(struct machine *machine, const char *path, struct device *device)
{
	machine_register_device(machine, path, vfio_open, device);
}
