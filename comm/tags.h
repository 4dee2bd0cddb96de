/* The tags of all messages, so that no two kinds of messages between the same ranks share one. MPI
 * promises 32767 at least. */
#ifndef YOCO_TAGS_H
#define YOCO_TAGS_H

enum {
    YOCO_TAG_GATHER = 0,
    YOCO_TAG_END = 1,  /* see ring_agree_end */
    YOCO_TAG_EDGE = 2, /* + index of the past */
    YOCO_TAG_BYTES = 1 << 14,
    YOCO_TAG_RECORD, /* of a timed run */
    YOCO_TAG_PING,
    YOCO_TAG_NCCL_HEADER, /* on the transport below NCCL */
    YOCO_TAG_ROWS,        /* + 2 * index of the store + part */
};

#endif
