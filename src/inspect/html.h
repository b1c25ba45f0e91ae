/*
 * The report as a page for a browser: one file that loads nothing. Everything of the image goes through html_text(),
 * and the page forbids scripts, so that a name can't become markup.
 *
 *	html.c		the page		html_process.c	a process: tables
 *	html_map.c	its memory as a map	html_chart.c	generations
 *	html_text.c	escaping		html_style.c	how it looks
 */
#ifndef CKPT_INSPECT_HTML_H
#define CKPT_INSPECT_HTML_H

#include <stdio.h>
#include "generations.h"
#include "inspect.h"

/* Write the page to the file at path, readable for the user alone. Dies when that can't be done. */
void report_html(const struct report *r, const char *path);

/* A string of the image, in text or between double quotes. What is no UTF-8, or steers, is shown as a mark. */
void html_text(FILE *f, const char *s);
void html_process(FILE *f, const struct report *r, const struct process *p, bool open);
/* Areas with one name are one field, as large as what the image has of them: in memory, and in another map on disk. */
void html_map(FILE *f, const struct process *p);
/* Size and pause of a job's generations, if it has several. */
void html_chart(FILE *f, const struct report *r, const struct generation *g, size_t n);

extern const char html_style[];

#endif
