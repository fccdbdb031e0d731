// SPDX-License-Identifier: GPL-2.0-or-later
/* Control files that are not the memory controller's own: the hierarchy underneath has them, too,
 * and does what they say. */
#include "fs/files.h"

#include <string.h>

#include "util/util.h"

int clone_children_scan(const struct file_scan *s, char **ret, size_t *ret_len)
{
	return group_read_kernel_file(s->manager, s->group_id, "cgroup.clone_children", ret,
				      ret_len);
}

int clone_children_write(const struct file_write *w)
{
	return group_write_kernel_file(w->manager, w->group, "cgroup.clone_children", w->text);
}

int notify_on_release_scan(const struct file_scan *s, char **ret, size_t *ret_len)
{
	return group_read_kernel_file(s->manager, s->group_id, "notify_on_release", ret, ret_len);
}

int notify_on_release_write(const struct file_write *w)
{
	return group_write_kernel_file(w->manager, w->group, "notify_on_release", w->text);
}

int release_agent_scan(const struct file_scan *s, char **ret, size_t *ret_len)
{
	return group_read_kernel_file(s->manager, s->group_id, "release_agent", ret, ret_len);
}

/* The kernel runs it as root, outside of all containers: so a container's root may not say what,
 * and the kernel cannot see who asks. */
int release_agent_write(const struct file_write *w)
{
	if (!caller_is_admin(w->caller))
		return -EPERM;
	return group_write_kernel_file(w->manager, w->group, "release_agent", w->text);
}

/* What v1 hierarchies say of themselves. */
int sane_behavior_read(const struct group *g, char **ret, size_t *ret_len)
{
	char *text = strdup("0\n");

	(void)g;
	if (!text)
		return -ENOMEM;
	*ret = text;
	*ret_len = strlen(text);
	return 0;
}
