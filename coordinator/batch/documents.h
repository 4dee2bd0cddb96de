/* The documents that jobs ask about: files below one folder, one of them in memory at a time. A
 * path never leads out of the folder, neither by "..", nor by a link, nor by a link that is put
 * there while it is opened: the kernel resolves it beneath the folder (openat2). Rank 0 only. */
#ifndef YOCO_BATCH_DOCUMENTS_H
#define YOCO_BATCH_DOCUMENTS_H

#include "configs/files/hash.h"
#include "configs/files/text_file.h"
#include "coordinator/ask/prompt.h"
#include "coordinator/batch/job.h"
#include "coordinator/text/tokenizer.h"

typedef struct yoco_batch_document {
    char *path;       /* NULL: the one that all jobs share */
    yoco_hash hash;   /* of its bytes */
    int64_t n_tokens; /* <s> included, where there is one; -1 until it was tokenized */
    /* while it is the one in memory, empty otherwise */
    yoco_text text;
    yoco_ids ids;
} yoco_batch_document;

typedef struct yoco_batch_documents yoco_batch_documents;

/* folder NULL: there are none. */
yoco_status yoco_batch_documents_open(const char *folder, yoco_batch_documents **out);
void yoco_batch_documents_close(yoco_batch_documents *documents);

/* Makes one document that of every job, and refuses others. ids stay the caller's. */
yoco_status yoco_batch_documents_share(yoco_batch_documents *documents, const yoco_ids *ids);

/* The document of a job; NULL, with YOCO_OK, where the job has none. Owned by `documents`.
 * YOCO_ERR_DATA, not logged, with *fault where it cannot be had. */
yoco_status yoco_batch_documents_find(yoco_batch_documents *documents, const yoco_batch_job *job,
                                      yoco_batch_document **out, yoco_batch_fault *fault);

/* Fills `ids`, which stay until another document is asked for. The file must be what it was at
 * first; errors as above. */
yoco_status yoco_batch_documents_encode(yoco_batch_documents *documents,
                                        yoco_batch_document *document,
                                        const yoco_tokenizer *tokenizer, yoco_batch_fault *fault);

#endif
