#include "run_params.h"

#include "generation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void run_image_dir(const struct job *job, const struct peer *asker, char *dir)
{
	const char *path = asker ? asker->target.path : "";
	const char *slash = strrchr(path, '/');

	str_copy(dir, job->config.dir, CKPT_PATH_MAX);
	if (slash)
		snprintf(dir, CKPT_PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static int fill_name(struct run *run, struct text *why)
{
	struct msg_params *p = &run->cp.params;
	const struct job *job = run->job;
	char stem[JOB_NAME_MAX + JOB_ID_MAX];
	struct text path = TEXT(p->path);

	snprintf(stem, sizeof(stem), "%s-%s", job->config.name, job->id);
	run->generation = generation_next(job->config.dir, stem);
	p->generation = run->generation;
	snprintf(p->link, sizeof(p->link), "%s.ckpt", stem);
	/* "/" alone must not become "//". */
	text_put(&path, "%s/%s.%05lu.ckpt", str_eq(job->config.dir, "/") ? "" : job->config.dir,
		 stem, (unsigned long)run->generation);
	if (path.len + sizeof(".part") <= sizeof(p->path) && str_ends(p->path, ".ckpt"))
		return 0;
	text_put(why, "directory for images %s: name is too long", job->config.dir);
	return -ENAMETOOLONG;
}

static int fill_target(struct run *run, const struct msg_target *target, struct text *why)
{
	struct msg_params *p = &run->cp.params;

	if (target->flags & TARGET_KEEP)
		p->keep = target->keep;
	if (!target->path[0])
		return fill_name(run, why);
	str_copy(p->path, target->path, sizeof(p->path));
	if (strlen(p->path) + sizeof(".part") <= sizeof(p->path))
		return 0;
	text_put(why, "%s: name is too long", target->path);
	return -ENAMETOOLONG;
}

int run_params_fill(struct run *run, const struct peer *asker, struct text *why)
{
	struct msg_params *p = &run->cp.params;
	const struct job *job = run->job;

	p->keep = job->config.keep;
	p->level = job->config.level;
	str_copy(p->keyfile, job->config.keyfile, sizeof(p->keyfile));
	str_copy(p->job, job->id, sizeof(p->job));
	if (run->cp.op != OP_CHECKPOINT)
		return 0;
	return asker ? fill_target(run, &asker->target, why) : fill_name(run, why);
}
