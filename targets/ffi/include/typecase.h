/*
 * libtypecase: classifies text on the device, in a few microseconds, with the same scores everywhere.
 *
 *     tc_case *news = NULL;
 *     tc_session *session = NULL;
 *     tc_verdict verdict;
 *     verdict.size = sizeof verdict;
 *     if (tc_case_open(path, strlen(path), NULL, &news, NULL) == TC_OK
 *         && tc_session_new(news, &session) == TC_OK
 *         && tc_classify(session, text, strlen(text), &verdict) == TC_OK) {
 *         printf("class %u, %.1f %%\n", (unsigned)verdict.label, 100.0 * verdict.probability);
 *     }
 *     tc_session_close(&session);
 *     tc_case_close(&news);
 *
 * Threads: a case may be used by any number of threads at the same time; each thread has its own session. A session
 * is used by one thread at a time. Opening and closing are ordinary calls: nobody may close what another still uses.
 *
 * Pointers are checked for NULL and alignment, lengths and sizes for what is possible. What cannot be checked stands
 * under "Safety" of each function. A call that fails leaves its case, its session and its verdict as they were; it
 * sets the handle that it should have made to NULL. The library prints nothing, except for a panic, which is a bug.
 *
 * Written by `cargo xtask codegen` from targets/ffi/src; do not edit. Licence: MIT or Apache-2.0, at your choice.
 */

#ifndef TYPECASE_H
#define TYPECASE_H

#include <stddef.h>
#include <stdint.h>

/**
 * The version of this interface: what TC_ABI_VERSION was when the library was built.
 */
#define TC_ABI_VERSION 1

/**
 * Engine: the best that this machine and this library have.
 */
#define TC_BACKEND_AUTO 0

/**
 * Engine: the integer engine, always there.
 */
#define TC_BACKEND_NATIVE 1

/**
 * Engine: tract, ONNX on the CPU. Only in a library that was built with it, as the next two.
 */
#define TC_BACKEND_TRACT 2

/**
 * Engine: ONNX Runtime, with TensorRT or CUDA if they are there.
 */
#define TC_BACKEND_ORT 3

/**
 * Engine: a GPU through Vulkan, Metal, Direct3D 12 or OpenGL.
 */
#define TC_BACKEND_WGPU 4

/**
 * Bytes of the sentence in a tc_error, the NUL at its end included.
 */
#define TC_ERROR_TEXT_BYTES 252

/**
 * Flag: the text was cut, it is over the limits of the case.
 */
#define TC_TRUNCATED 1

/**
 * Flag: the probability is below the threshold of the case, better not to rely on the label.
 */
#define TC_ABSTAIN 2

/**
 * Flag: the text is not UTF-8 throughout; each invalid part was read as U+FFFD.
 */
#define TC_INVALID_UTF8 4

/**
 * Flag: the case knows no word of the text; set too for a text without words.
 */
#define TC_NO_KNOWN_WORD 8

/**
 * Bytes of a digest.
 */
#define TC_DIGEST_BYTES 32

/**
 * How a call ended. The numbers are stable.
 */
enum tc_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It did what was asked.
   */
  TC_OK = 0,
  /**
   * A file cannot be read.
   */
  TC_UNREADABLE = 1,
  /**
   * The bytes are no sound case, or the case failed its own test.
   */
  TC_INVALID_CASE = 2,
  /**
   * The engine asked for is not part of this library, or not known.
   */
  TC_NO_BACKEND = 3,
  /**
   * Another engine would have to answer than the one asked for, and `strict` does not allow it.
   */
  TC_FELL_BACK = 4,
  /**
   * A pointer is NULL that may not be.
   */
  TC_NULL = 100,
  /**
   * A pointer is not aligned for its type.
   */
  TC_MISALIGNED = 101,
  /**
   * A length is larger than anything in memory can be, a buffer is too small, or the size field of a structure is
   * out of range.
   */
  TC_LENGTH = 102,
  /**
   * There is no entry with this index.
   */
  TC_INDEX = 103,
  /**
   * Another thread is using the session.
   */
  TC_BUSY = 104,
  /**
   * There is not enough memory for the copy of a case.
   */
  TC_NO_MEMORY = 105,
  /**
   * A bug in the library, stopped at its border. Please report it.
   */
  TC_PANIC = 106,
  /**
   * A failure that has no number of its own in this version.
   */
  TC_OTHER = 107,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tc_status tc_status;
#else
typedef uint32_t tc_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An open case, ready to run. Never changed: any number of threads may use it at the same time.
 */
typedef struct tc_case tc_case;

/**
 * One thread's way through a case, with all the memory that it will ever need. It may move from thread to thread, but
 * one at a time uses it; a call that finds it in use returns TC_BUSY and does nothing.
 */
typedef struct tc_session tc_session;

/**
 * How a case is opened. Set all of it to zero, then `size`, then what you need.
 */
typedef struct tc_options {
  /**
   * sizeof(tc_options), by which the library knows the version of the structure. What a later version adds must be
   * zero for a library that does not know it.
   */
  uint32_t size;
  /**
   * Which engine: TC_BACKEND_AUTO or another TC_BACKEND_ value.
   */
  uint32_t backend;
  /**
   * Not 0: fail if another engine than the one asked for would have to answer.
   */
  uint32_t strict;
} tc_options;

/**
 * Why a call failed. Written by every call that takes it, empty when the call succeeded.
 */
typedef struct tc_error {
  /**
   * The rule of the case format or of the engine that was broken, 0 if it was something else. Stable, for logs.
   */
  uint32_t code;
  /**
   * One sentence in UTF-8, NUL-terminated, cut if it is too long.
   */
  char text[TC_ERROR_TEXT_BYTES];
} tc_error;

/**
 * What a case says of a text.
 */
typedef struct tc_verdict {
  /**
   * Set this to sizeof(tc_verdict) before the call: by it the library knows the version of the structure. It is
   * the only field that is read.
   */
  uint32_t size;
  /**
   * Index of the class; tc_case_label() has its name.
   */
  uint32_t label;
  /**
   * The exact scores, one for each class: the same on every device and engine. They belong to the session and stay
   * until the next call on it.
   */
  const int32_t *scores;
  /**
   * How many scores: tc_case_label_count().
   */
  uint32_t score_count;
  /**
   * TC_TRUNCATED, TC_ABSTAIN, TC_INVALID_UTF8, TC_NO_KNOWN_WORD, together.
   */
  uint32_t flags;
  /**
   * Calibrated probability of the class, 0 to 1.
   */
  float probability;
  /**
   * softmax(scores * score_scale) are the calibrated probabilities of all classes.
   */
  float score_scale;
  /**
   * The share of the words that the case does not know, 0 to 1; 0 for a text without words.
   */
  float unknown_share;
  /**
   * Features of the text that the case knows; 0: the verdict rests on the bias alone.
   */
  uint32_t tokens;
} tc_verdict;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the interface that the library has. A program works with the library if this is equal to the
 * TC_ABI_VERSION that it was compiled with. Within one version functions, flags, status values and fields at the end
 * of structures are added, nothing is changed or removed.
 */
uint32_t tc_abi_version(void);

/**
 * The version of the library, such as "0.1.0". Static, NUL-terminated, never NULL.
 */
const char *tc_version(void);

/**
 * What a status means, in a few words of English. Static, NUL-terminated, never NULL, also for a number that is no
 * status.
 */
const char *tc_status_text(uint32_t status);

/**
 * Opens a file, verifies every byte of it, and makes it ready to run. What happens to the file later does not matter.
 *
 * `path` has `path_len` bytes and need not end in NUL: UTF-8, or on Unix any bytes. `options` may be NULL for the
 * defaults, `error` may be NULL. `*out` is NULL unless the call succeeds; close it with tc_case_close().
 *
 * # Safety
 * `path` points to `path_len` readable bytes; `options` to a structure as large as its size field says; `out` and
 * `error` can be written to. None of them overlap.
 */
tc_status tc_case_open(const char *path,
                       size_t path_len,
                       const struct tc_options *options,
                       struct tc_case **out,
                       struct tc_error *error);

/**
 * As tc_case_open(), from `len` bytes in memory (an asset of an app, flash). The bytes are copied: they may be freed
 * as soon as the call returns.
 *
 * # Safety
 * `bytes` points to `len` readable bytes; the rest is as for tc_case_open().
 */
tc_status tc_case_open_memory(const void *bytes,
                              size_t len,
                              const struct tc_options *options,
                              struct tc_case **out,
                              struct tc_error *error);

/**
 * Closes a case and sets the handle to NULL, so that closing twice does nothing. NULL, and a handle that is NULL, are
 * fine. Sessions of the case may be closed before or after it and can be used until they are.
 *
 * # Safety
 * `*handle` came from tc_case_open() or tc_case_open_memory() and was not closed through a copy of the handle. No
 * other thread uses the case through the handle, and no text that the case lent is used any more.
 */
tc_status tc_case_close(struct tc_case **handle);

/**
 * What people call the case. The text is UTF-8 without control characters, belongs to the case, and stays until the
 * case is closed. `*len` is its length in bytes; a NUL follows it.
 *
 * # Safety
 * `handle` is an open case; `text` and `len` can be written to.
 */
tc_status tc_case_name(const struct tc_case *handle,
                       const char **text,
                       size_t *len);

/**
 * How many classes the case has.
 *
 * # Safety
 * `handle` is an open case; `count` can be written to.
 */
tc_status tc_case_label_count(const struct tc_case *handle, uint32_t *count);

/**
 * The name of a class: text as from tc_case_name(). TC_INDEX if there is no such class; then `*text` is NULL.
 *
 * # Safety
 * `handle` is an open case; `text` and `len` can be written to.
 */
tc_status tc_case_label(const struct tc_case *handle, uint32_t index, const char **text, size_t *len);

/**
 * The SHA-256 that stands for every byte of the case: TC_DIGEST_BYTES bytes are written to `digest`.
 *
 * # Safety
 * `handle` is an open case; 32 bytes can be written to `digest`.
 */
tc_status tc_case_digest(const struct tc_case *handle, uint8_t *digest);

/**
 * How many bytes of scratch memory each session of the case has.
 *
 * # Safety
 * `handle` is an open case; `scratch_bytes` can be written to.
 */
tc_status tc_case_scratch_bytes(const struct tc_case *handle, size_t *scratch_bytes);

/**
 * Which engine answers now, which were passed over or lost, and why: lines of UTF-8, the first `engine: NAME`, then
 * `passed over: NAME: CAUSE` and `help: REMEDY` for each other one.
 *
 * Writes at most `capacity` bytes to `buffer`, the last of them NUL, and to `*needed` (which may be NULL) how many
 * bytes the whole report takes with its NUL. TC_LENGTH if they are more than `capacity`: the text is cut then, maybe
 * within a character. `buffer` may be NULL if `capacity` is 0, to ask for the size alone; that is no failure.
 *
 * # Safety
 * `handle` is an open case; `capacity` bytes can be written to `buffer`; `needed` can be written to.
 */
tc_status tc_case_report(const struct tc_case *handle,
                         char *buffer,
                         size_t capacity,
                         size_t *needed);

/**
 * Makes a session, and takes all the memory that it will need. It keeps what it needs of the case alive, so the two
 * may be closed in any order. `*out` is NULL unless the call succeeds; close it with tc_session_close().
 *
 * # Safety
 * `handle` is an open case; `out` can be written to.
 */
tc_status tc_session_new(const struct tc_case *handle,
                         struct tc_session **out);

/**
 * Closes a session and sets the handle to NULL, so that closing twice does nothing. NULL, and a handle that is NULL,
 * are fine.
 *
 * # Safety
 * `*handle` came from tc_session_new() and was not closed through a copy of the handle; no other thread uses it, and
 * no scores that it lent are used any more.
 */
tc_status tc_session_close(struct tc_session **handle);

/**
 * Classifies `len` bytes of text, which need not end in NUL. Any bytes are a text: UTF-8 is expected, what is not is
 * read as U+FFFD and flagged. `text` may be NULL if `len` is 0. Allocates nothing.
 *
 * Set `verdict->size` before the call. The scores that `*verdict` points to belong to the session and stay until the
 * next call on it.
 *
 * # Safety
 * `handle` is an open session; `text` points to `len` readable bytes; as many bytes as `verdict->size` says can be
 * written to `verdict`.
 */
tc_status tc_classify(struct tc_session *handle,
                      const char *text,
                      size_t len,
                      struct tc_verdict *verdict);

/**
 * Runs the golden vectors of the case on the engine that answers here: texts with the scores that every device must
 * give. TC_INVALID_CASE if one comes out differently. `error` may be NULL.
 *
 * # Safety
 * `handle` is an open session; `error` can be written to.
 */
tc_status tc_session_verify(struct tc_session *handle,
                            struct tc_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TYPECASE_H */
