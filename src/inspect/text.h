/* What the reports for people have in common. */
#ifndef CKPT_INSPECT_TEXT_H
#define CKPT_INSPECT_TEXT_H

/* A string of the image: nothing in it may steer a terminal. */
void put_safe(const char *s);

#endif
