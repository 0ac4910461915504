/* ql/gguf.h - reading and writing GGUF files (versions 2 and 3 read, 3 written).
 *
 * The reader maps the file and checks everything before it hands out a pointer: a file that opens is sound. The writer
 * writes to a temporary file, syncs it and renames it: a file is there whole or not at all. */
#ifndef QL_GGUF_H
#define QL_GGUF_H

#include <stdint.h>

#include "ql/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ql_gguf_type { /* the format's own numbers */
    QL_GGUF_U8 = 0, QL_GGUF_I8 = 1, QL_GGUF_U16 = 2, QL_GGUF_I16 = 3, QL_GGUF_U32 = 4, QL_GGUF_I32 = 5, QL_GGUF_F32 = 6,
    QL_GGUF_BOOL = 7, QL_GGUF_STRING = 8, QL_GGUF_ARRAY = 9, QL_GGUF_U64 = 10, QL_GGUF_I64 = 11, QL_GGUF_F64 = 12
} ql_gguf_type;

typedef struct ql_gguf ql_gguf;               /* an open file */
typedef struct ql_gguf_writer ql_gguf_writer; /* a file being composed */

typedef struct ql_gguf_string { /* not NUL-terminated; points into the mapped file */
    const char * data;
    size_t size;
} ql_gguf_string;

typedef struct ql_gguf_array {
    ql_gguf_type type; /* of the elements; never QL_GGUF_ARRAY */
    int64_t n;
    const void * data; /* n packed elements, unaligned; NULL for strings: use ql_gguf_array_string */
} ql_gguf_array;

typedef struct ql_gguf_tensor {
    const char * name;
    ql_dtype dtype;
    int n_dims;
    int64_t ne[4];     /* innermost first, 1 beyond n_dims */
    const void * data; /* in the mapped file */
    size_t size;       /* bytes */
} ql_gguf_tensor;

/** Opens and validates a file. A sharded file ("name-00001-of-00003.gguf") is opened by its first part, and its other
 *  parts with it. The caller owns *file, freed by ql_gguf_close; all pointers handed out die with it.
 *  errors  QL_NOT_FOUND, QL_IO, QL_BAD_FILE (names the field and the file offset), QL_UNSUPPORTED (version, type) */
QL_API ql_status ql_gguf_open(const char * path, ql_gguf ** file);
QL_API void ql_gguf_close(ql_gguf * file);
/** Says that some bytes of the file (NULL: of whichever file this library has mapped), such as a tensor's data, will hardly
 *  be read again: their pages leave memory. They can still be read, and then come from the file. Others are left alone. */
QL_API void ql_gguf_forget(const ql_gguf * file, const void * data, size_t bytes);

QL_API int64_t ql_gguf_n_keys(const ql_gguf * file);
QL_API const char * ql_gguf_key(const ql_gguf * file, int64_t i);          /* NULL past the end */
QL_API int ql_gguf_has_key(const ql_gguf * file, const char * key);        /* 1 or 0 */
QL_API ql_status ql_gguf_key_type(const ql_gguf * file, const char * key, ql_gguf_type * type);

/* Typed getters. errors  QL_NOT_FOUND; QL_BAD_FILE if the key has another type (never a cast; the integer getter takes
 * every integer type whose value fits). */
QL_API ql_status ql_gguf_get_int(const ql_gguf * file, const char * key, int64_t * value);
QL_API ql_status ql_gguf_get_float(const ql_gguf * file, const char * key, double * value); /* F32 or F64 */
QL_API ql_status ql_gguf_get_bool(const ql_gguf * file, const char * key, int * value);
QL_API ql_status ql_gguf_get_string(const ql_gguf * file, const char * key, ql_gguf_string * value);
QL_API ql_status ql_gguf_get_array(const ql_gguf * file, const char * key, ql_gguf_array * value);
/** Element i of an array of strings, O(1). */
QL_API ql_status ql_gguf_array_string(const ql_gguf * file, const char * key, int64_t i, ql_gguf_string * value);

QL_API int64_t ql_gguf_n_tensors(const ql_gguf * file);
QL_API ql_status ql_gguf_tensor_at(const ql_gguf * file, int64_t i, ql_gguf_tensor * tensor);
QL_API ql_status ql_gguf_find_tensor(const ql_gguf * file, const char * name, ql_gguf_tensor * tensor); /* hashed */

/** A new, empty file in memory. The caller owns *writer, freed by ql_gguf_writer_free. */
QL_API ql_status ql_gguf_writer_create(ql_gguf_writer ** writer);
QL_API void ql_gguf_writer_free(ql_gguf_writer * writer);
/* Keys: setting a key again replaces its value. Strings are copied. The writer sets `general.alignment` itself (64 if a
 * tensor is of the NF4 family, else 32): it is refused. errors  QL_INVALID_ARGUMENT (a value unfit for its type) */
QL_API ql_status ql_gguf_set_int(ql_gguf_writer * writer, const char * key, ql_gguf_type type, int64_t value);
QL_API ql_status ql_gguf_set_f32(ql_gguf_writer * writer, const char * key, float value);
QL_API ql_status ql_gguf_set_f64(ql_gguf_writer * writer, const char * key, double value);
QL_API ql_status ql_gguf_set_bool(ql_gguf_writer * writer, const char * key, int value);
QL_API ql_status ql_gguf_set_string(ql_gguf_writer * writer, const char * key, const char * data, size_t size);
QL_API ql_status ql_gguf_set_array(ql_gguf_writer * writer, const char * key, ql_gguf_type type, const void * data,
                                   int64_t n);
QL_API ql_status ql_gguf_set_strings(ql_gguf_writer * writer, const char * key, const ql_gguf_string * data, int64_t n);
/** Removes a key; a key that is not there is no error. */
QL_API ql_status ql_gguf_unset(ql_gguf_writer * writer, const char * key);
/** Copies the keys of an open file, in order, except `general.alignment` and `split.*`, which describe that file. */
QL_API ql_status ql_gguf_copy_keys(ql_gguf_writer * writer, const ql_gguf * file);

/** Called at writing time to produce `size` bytes of a tensor from byte `offset` on: piece by piece, in order, at most
 *  1 MiB each. Returns 0, or another value to fail the writing: a ql_status is passed on, with the message of a failed
 *  call of this library; any other value becomes QL_CANCELLED. */
typedef int (*ql_gguf_produce)(void * user, size_t offset, void * dst, size_t size);

/** Adds a tensor whose bytes are borrowed until the file is written. Names have 1 to 63 bytes and occur once.
 *  errors  QL_BAD_SHAPE (sizes, rows that are no whole blocks), QL_BAD_DTYPE, QL_INVALID_ARGUMENT */
QL_API ql_status ql_gguf_add_tensor(ql_gguf_writer * writer, const char * name, ql_dtype dtype, int n_dims,
                                    const int64_t * ne, const void * data);
/** Adds a tensor whose bytes are produced while writing: a model of any size is written in little memory. */
QL_API ql_status ql_gguf_add_produced(ql_gguf_writer * writer, const char * name, ql_dtype dtype, int n_dims,
                                      const int64_t * ne, ql_gguf_produce produce, void * user);
/** Bytes that the file will have. */
QL_API uint64_t ql_gguf_writer_size(const ql_gguf_writer * writer);
/** Writes the file: checks free space, writes PATH.tmp-<pid>, syncs, renames over PATH, syncs the folder. On failure
 *  nothing is left behind and an older PATH is untouched. errors  QL_NO_SPACE, QL_IO */
QL_API ql_status ql_gguf_write(ql_gguf_writer * writer, const char * path);

#ifdef __cplusplus
}
#endif
#endif
