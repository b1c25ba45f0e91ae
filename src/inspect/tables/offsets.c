/*
 * Where the fields are that src/inspect/python.c reads, for the CPython whose headers are found first: prints what
 * makes a column of the table in python_offsets.c. For each version, with its headers:
 *
 *	gcc -I/usr/include/python3.11 -o offsets offsets.c && ./offsets
 */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <frameobject.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_pystate.h>
#include <internal/pycore_runtime.h>
#if PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_dict.h>
#include <internal/pycore_frame.h>
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe_structs.h>
#endif
#include <stddef.h>
#include <stdio.h>

/* 0: this version has none. */
static void row(const char *name, size_t offset)
{
	printf("%-20s %zu\n", name, offset);
}

#define ROW(name, type, field) row(name, offsetof(type, field))
#define NONE(name)	       row(name, 0)

#if PY_VERSION_HEX < 0x030b0000
typedef PyFrameObject frame_type;
#else
typedef struct _PyInterpreterFrame frame_type;
#endif

static void rows_frame(void)
{
#if PY_VERSION_HEX < 0x030b0000
	ROW("THREAD_FRAME", PyThreadState, frame);
	NONE("CFRAME_FRAME");
	ROW("FRAME_CODE", frame_type, f_code);
	ROW("FRAME_PREVIOUS", frame_type, f_back);
	ROW("FRAME_INSTR", frame_type, f_lasti);
	NONE("FRAME_OWNER");
	ROW("FRAME_LOCALSPLUS", frame_type, f_localsplus);
#else
	ROW("FRAME_PREVIOUS", frame_type, previous);
	ROW("FRAME_OWNER", frame_type, owner);
	ROW("FRAME_LOCALSPLUS", frame_type, localsplus);
#endif
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030d0000
	ROW("THREAD_FRAME", PyThreadState, cframe);
	ROW("CFRAME_FRAME", _PyCFrame, current_frame);
	ROW("FRAME_CODE", frame_type, f_code);
	ROW("FRAME_INSTR", frame_type, prev_instr);
#elif PY_VERSION_HEX >= 0x030d0000
	ROW("THREAD_FRAME", PyThreadState, current_frame);
	NONE("CFRAME_FRAME");
	ROW("FRAME_CODE", frame_type, f_executable);
	ROW("FRAME_INSTR", frame_type, instr_ptr);
#endif
	ROW("FRAME_DICT", frame_type, f_locals);
}

static void rows_code(void)
{
	ROW("CODE_FILE", PyCodeObject, co_filename);
	ROW("CODE_FLAGS", PyCodeObject, co_flags);
	ROW("CODE_FIRST_LINE", PyCodeObject, co_firstlineno);
#if PY_VERSION_HEX < 0x030b0000
	ROW("CODE_NAME", PyCodeObject, co_name);
	NONE("CODE_BYTES");
	NONE("CODE_TRACEABLE");
	ROW("CODE_LOCALS", PyCodeObject, co_varnames);
	ROW("CODE_CELLS", PyCodeObject, co_cellvars);
	ROW("CODE_FREE", PyCodeObject, co_freevars);
	NONE("CODE_KINDS");
#else
	ROW("CODE_NAME", PyCodeObject, co_qualname);
	ROW("CODE_BYTES", PyCodeObject, co_code_adaptive);
	ROW("CODE_TRACEABLE", PyCodeObject, _co_firsttraceable);
	ROW("CODE_LOCALS", PyCodeObject, co_localsplusnames);
	NONE("CODE_CELLS");
	NONE("CODE_FREE");
	ROW("CODE_KINDS", PyCodeObject, co_localspluskinds);
#endif
#if PY_VERSION_HEX < 0x030a0000
	ROW("CODE_LINES", PyCodeObject, co_lnotab);
#else
	ROW("CODE_LINES", PyCodeObject, co_linetable);
#endif
}

static void rows_object(void)
{
	ROW("OBJECT_TYPE", PyObject, ob_type);
	ROW("OBJECT_SIZE", PyVarObject, ob_size);
	ROW("TYPE_NAME", PyTypeObject, tp_name);
	ROW("TYPE_FLAGS", PyTypeObject, tp_flags);
	ROW("TYPE_BASE", PyTypeObject, tp_base);
	ROW("TUPLE_ITEMS", PyTupleObject, ob_item);
	ROW("LIST_ITEMS", PyListObject, ob_item);
	ROW("FLOAT_VALUE", PyFloatObject, ob_fval);
#if PY_VERSION_HEX < 0x030c0000
	ROW("INT_DIGITS", PyLongObject, ob_digit);
#else
	ROW("INT_DIGITS", PyLongObject, long_value.ob_digit);
#endif
	ROW("BYTES_DATA", PyBytesObject, ob_sval);
	ROW("CELL_VALUE", PyCellObject, ob_ref);
	ROW("STR_LENGTH", PyASCIIObject, length);
	ROW("STR_STATE", PyASCIIObject, state);
	row("STR_ASCII", sizeof(PyASCIIObject));
	row("STR_COMPACT", sizeof(PyCompactUnicodeObject));
}

static void rows_dict(void)
{
	ROW("DICT_USED", PyDictObject, ma_used);
	ROW("DICT_KEYS", PyDictObject, ma_keys);
	ROW("DICT_VALUES", PyDictObject, ma_values);
#if PY_VERSION_HEX >= 0x030b0000
	ROW("KEYS_SIZE", PyDictKeysObject, dk_log2_index_bytes);
	ROW("KEYS_KIND", PyDictKeysObject, dk_kind);
	ROW("KEYS_ENTRIES", PyDictKeysObject, dk_nentries);
	ROW("KEYS_INDICES", PyDictKeysObject, dk_indices);
#else /* struct _dictkeysobject is in Objects/dict-common.h: refcnt, size, lookup, usable, nentries, indices */
	row("KEYS_SIZE", 8);
	NONE("KEYS_KIND");
	row("KEYS_ENTRIES", 32);
	row("KEYS_INDICES", 40);
#endif
}

int main(void)
{
	printf("# %s\n", PY_VERSION);
	ROW("RUNTIME_INTERPRETERS", _PyRuntimeState, interpreters.head);
	ROW("INTERP_NEXT", PyInterpreterState, next);
	ROW("INTERP_ID", PyInterpreterState, id);
#if PY_VERSION_HEX < 0x030b0000
	ROW("INTERP_THREADS", PyInterpreterState, tstate_head);
#else
	ROW("INTERP_THREADS", PyInterpreterState, threads.head);
#endif
	ROW("THREAD_NEXT", PyThreadState, next);
	ROW("THREAD_INTERP", PyThreadState, interp);
	ROW("THREAD_ID", PyThreadState, thread_id);
	rows_frame();
	rows_code();
	rows_object();
	rows_dict();
	return 0;
}
