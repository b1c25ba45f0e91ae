/*
 * python_offsets.c: where CPython has the fields that are read, and what else differs between its versions.
 */
#ifndef CKPT_INSPECT_PYTHON_OFFSETS_H
#define CKPT_INSPECT_PYTHON_OFFSETS_H

#include "python.h"

enum python_field {
	PY_RUNTIME_INTERPRETERS,
	PY_INTERP_NEXT,
	PY_INTERP_ID,
	PY_INTERP_THREADS,
	PY_THREAD_NEXT,
	PY_THREAD_INTERP,
	PY_THREAD_ID,
	PY_THREAD_FRAME, /* the innermost frame, or the _PyCFrame that has it */
	PY_CFRAME_FRAME,
	PY_FRAME_CODE,
	PY_FRAME_PREVIOUS,
	PY_FRAME_INSTR, /* see enum python_instr */
	PY_FRAME_DICT,	/* local variables of modules and classes */
	PY_FRAME_OWNER,
	PY_FRAME_LOCALSPLUS,
	PY_CODE_FILE,
	PY_CODE_NAME,
	PY_CODE_FLAGS,
	PY_CODE_FIRST_LINE,
	PY_CODE_LINES,
	PY_CODE_BYTES,
	PY_CODE_TRACEABLE, /* before this instruction a frame is not complete */
	PY_CODE_LOCALS,	   /* names: of all of localsplus, before 3.11 without: */
	PY_CODE_CELLS,
	PY_CODE_FREE,
	PY_CODE_KINDS,
	PY_OBJECT_TYPE,
	PY_OBJECT_SIZE,
	PY_TYPE_NAME,
	PY_TYPE_FLAGS,
	PY_TYPE_BASE,
	PY_TUPLE_ITEMS,
	PY_LIST_ITEMS,
	PY_FLOAT_VALUE,
	PY_INT_DIGITS,
	PY_BYTES_DATA,
	PY_CELL_VALUE,
	PY_STR_LENGTH,
	PY_STR_STATE,
	PY_STR_ASCII,	/* where characters are in a str of ASCII only */
	PY_STR_COMPACT, /* and in others */
	PY_DICT_USED,
	PY_DICT_KEYS,
	PY_DICT_VALUES,
	PY_KEYS_SIZE, /* before 3.11 of indices, then the logarithm of their bytes */
	PY_KEYS_KIND,
	PY_KEYS_ENTRIES,
	PY_KEYS_INDICES,
	PY_FIELDS,
};

enum python_instr {
	PY_INSTR_BYTES, /* int: offset of the last one executed */
	PY_INSTR_UNITS, /* the same in units of two bytes */
	PY_INSTR_POINTER,
};

enum python_lines {
	PY_LINES_LNOTAB,    /* Objects/lnotab_notes.txt of 3.9 */
	PY_LINES_LINETABLE, /* of 3.10 */
	PY_LINES_LOCATIONS, /* Objects/locations.md of 3.11 */
};

struct python_layout {
	uint16_t at[PY_FIELDS]; /* 0 may also mean: this version has none */
	enum python_instr instr;
	enum python_lines lines;
	uint8_t no_frame;	/* owners from here on have no Python code, 0: all have */
	bool cframe;		/* a thread has its innermost frame in a _PyCFrame */
	bool int_tag;		/* an int has its sign and length in one tag */
	bool tagged;		/* references in frames have tags in their low bits */
};

/*
 * The layout of the version that the runtime is of: *version is what is known of it so far, and what it is in the end.
 * NULL, or why there is none.
 */
const char *python_layout(const struct python_memory *m, uint64_t runtime, uint32_t *version, struct python_layout *to);

#endif
