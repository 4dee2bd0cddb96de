#include "coordinator/batch/documents.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "configs/context/document.h"
#include "configs/files/file_name.h"

enum { OPEN_TRIES = 16 };

struct yoco_batch_documents {
    int folder; /* file descriptor; -1: none */
    yoco_batch_document **items;
    size_t n;
    json_t *places;            /* path to index */
    yoco_batch_document *held; /* the one in memory */
    yoco_batch_document shared;
    bool is_shared;
};

yoco_status yoco_batch_documents_open(const char *folder, yoco_batch_documents **out)
{
    yoco_batch_documents *d = calloc(1, sizeof *d);
    if (d)
        d->places = json_object();
    if (!d || !d->places) {
        yoco_log_error("cannot allocate the table of documents");
        free(d);
        return YOCO_ERR_MEMORY;
    }
    d->folder = folder ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (folder && d->folder < 0) {
        char hint[YOCO_FILE_NAME_HINT];
        const char *reason = strerror(errno);
        yoco_file_name_hint(folder, hint);
        yoco_log_error("cannot open the folder of documents %s: %s%s", folder, reason, hint);
        yoco_batch_documents_close(d);
        return YOCO_ERR_OPEN;
    }
    *out = d;
    return YOCO_OK;
}

static void let_go(yoco_batch_documents *d)
{
    if (!d->held)
        return;
    yoco_text_free(&d->held->text);
    yoco_free(d->held->ids.ids);
    d->held->ids = (yoco_ids){0};
    d->held = NULL;
    malloc_trim(0); /* the heap would keep holes of one document that the next does not fit in */
}

void yoco_batch_documents_close(yoco_batch_documents *d)
{
    if (!d)
        return;
    let_go(d);
    for (size_t i = 0; i < d->n; i++) {
        free(d->items[i]->path);
        free(d->items[i]);
    }
    if (d->folder >= 0)
        close(d->folder);
    json_decref(d->places);
    free(d->items);
    free(d);
}

static yoco_status open_beneath(const yoco_batch_documents *d, const char *path, int *out,
                                yoco_batch_fault *fault)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = -1;
    /* EAGAIN: something was renamed on the way, so that the kernel is not sure. */
    for (int i = 0; i < OPEN_TRIES && (i == 0 || (fd < 0 && errno == EAGAIN)); i++)
        fd = syscall(SYS_openat2, d->folder, path, &how, sizeof how);
    if (fd < 0 && errno == EXDEV)
        return yoco_batch_fault_set(fault, "body.document.path",
                                    "leads out of the folder of documents");
    if (fd < 0 && errno == ENOSYS)
        return yoco_batch_fault_set(fault, "body.document.path",
                                    "this kernel has no openat2, which Linux has since 5.6");
    if (fd < 0) {
        const char *reason = strerror(errno);
        char hint[YOCO_FILE_NAME_HINT];
        yoco_file_name_hint_beneath(d->folder, path, hint);
        return yoco_batch_fault_set(fault, "body.document.path", "cannot be opened: %s%s", reason,
                                    hint);
    }
    *out = (int)fd;
    return YOCO_OK;
}

static yoco_status judge_file(const yoco_batch_document *document, yoco_batch_fault *fault)
{
    char text[YOCO_FIRST_BYTES_TEXT];
    yoco_file_fault found =
        yoco_first_bytes_judge(YOCO_FILE_DOCUMENT, document->text.data, document->text.size, text);
    if (document->text.size == 0)
        return yoco_batch_fault_set(fault, "body.document.path", "is an empty file");
    if (found == YOCO_FILE_WRONG)
        return yoco_batch_fault_set(fault, "body.document.path", "%s", text);
    if (found == YOCO_FILE_ODD)
        yoco_log_warn("document %s %s", document->path, text);
    return YOCO_OK;
}

static yoco_status read_file(int fd, yoco_batch_document *document, yoco_batch_fault *fault)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return yoco_batch_fault_set(fault, "body.document.path", "is not a regular file");
    yoco_status status = yoco_text_read_fd(fd, yoco_text_max_bytes, &document->text);
    if (status == YOCO_ERR_IO && errno == EFBIG)
        return yoco_batch_fault_set(fault, "body.document.path", "is larger than 4 GiB");
    if (status == YOCO_ERR_IO)
        return yoco_batch_fault_set(fault, "body.document.path", "cannot be read: %s",
                                    strerror(errno));
    YOCO_TRY(status);
    YOCO_TRY(judge_file(document, fault));
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    yoco_hasher_add(hasher, document->text.data, document->text.size);
    document->hash = yoco_hasher_finish(hasher);
    return YOCO_OK;
}

/* Its text into memory, and another's out of it. */
static yoco_status hold(yoco_batch_documents *d, yoco_batch_document *document,
                        yoco_batch_fault *fault)
{
    int fd = -1;
    if (document->text.memory)
        return YOCO_OK;
    let_go(d);
    d->held = document;
    YOCO_TRY(open_beneath(d, document->path, &fd, fault));
    yoco_status status = read_file(fd, document, fault);
    close(fd);
    return status;
}

static yoco_status add(yoco_batch_documents *d, yoco_batch_document *document)
{
    yoco_batch_document **items = realloc(d->items, (d->n + 1) * sizeof(yoco_batch_document *));
    if (items)
        d->items = items;
    if (!items || json_object_set_new(d->places, document->path, json_integer((json_int_t)d->n))) {
        yoco_log_error("cannot allocate the table of documents");
        return YOCO_ERR_MEMORY;
    }
    d->items[d->n++] = document;
    return YOCO_OK;
}

static yoco_status load(yoco_batch_documents *d, const char *path, yoco_batch_document **out,
                        yoco_batch_fault *fault)
{
    yoco_batch_document *document = calloc(1, sizeof *document);
    if (document)
        *document = (yoco_batch_document){.path = strdup(path), .n_tokens = -1};
    yoco_status status = document && document->path ? YOCO_OK : YOCO_ERR_MEMORY;
    if (status != YOCO_OK)
        yoco_log_error("cannot allocate a document");
    if (status == YOCO_OK)
        status = hold(d, document, fault);
    if (status == YOCO_OK)
        status = add(d, document);
    if (status == YOCO_OK) {
        *out = document;
        return YOCO_OK;
    }
    if (document) {
        let_go(d);
        free(document->path);
    }
    free(document);
    return status;
}

static yoco_status check_sha256(const yoco_batch_document *document, const char *expected,
                                yoco_batch_fault *fault)
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char text[2 * SHA256_DIGEST_SIZE + 1];
    sha256_init(&context);
    sha256_update(&context, document->text.size, (const uint8_t *)document->text.data);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    if (strcasecmp(text, expected) == 0)
        return YOCO_OK;
    return yoco_batch_fault_set(fault, "body.document.sha256",
                                "is not that of the file, which has %s", text);
}

yoco_status yoco_batch_documents_share(yoco_batch_documents *d, const yoco_ids *ids)
{
    d->shared.ids = *ids;
    d->shared.n_tokens = ids->n;
    d->is_shared = true;
    return yoco_context_document_hash(ids->ids, ids->n, &d->shared.hash);
}

yoco_status yoco_batch_documents_find(yoco_batch_documents *d, const yoco_batch_job *job,
                                      yoco_batch_document **out, yoco_batch_fault *fault)
{
    yoco_batch_document *document = NULL;
    *out = d->is_shared ? &d->shared : NULL;
    if (!job->document)
        return YOCO_OK;
    if (d->is_shared)
        return yoco_batch_fault_set(fault, "body.document",
                                    "stands beside --context, which is the document of all jobs");
    if (d->folder < 0)
        return yoco_batch_fault_set(fault, "body.document",
                                    "needs the folder of documents: --documents DIR");
    const json_t *place = json_object_get(d->places, job->document);
    if (place)
        document = d->items[json_integer_value(place)];
    else
        YOCO_TRY(load(d, job->document, &document, fault));
    if (job->sha256) {
        YOCO_TRY(hold(d, document, fault));
        YOCO_TRY(check_sha256(document, job->sha256, fault));
    }
    *out = document;
    return YOCO_OK;
}

yoco_status yoco_batch_documents_encode(yoco_batch_documents *d, yoco_batch_document *document,
                                        const yoco_tokenizer *tokenizer, yoco_batch_fault *fault)
{
    yoco_hash before = document->hash;
    if (document->ids.ids)
        return YOCO_OK;
    YOCO_TRY(hold(d, document, fault));
    if (!yoco_hash_equal(before, document->hash)) {
        let_go(d);
        document->hash = before;
        return yoco_batch_fault_set(fault, "body.document.path",
                                    "names a file that has changed since the batch began");
    }
    YOCO_TRY(yoco_ids_encode(tokenizer, document->text.data, document->text.size, false, true,
                             &document->ids));
    document->n_tokens = document->ids.n;
    yoco_text_free(&document->text);
    return YOCO_OK;
}
