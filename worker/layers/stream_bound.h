/* How long a row of the residual stream can be, from layer to layer. A layer without a norm before
 * it (NO_PRE_NORM) makes V of the stream itself, so that the exact merge needs this bound of |v_j|
 * (merge_scale.h). It is rigorous and therefore far above what occurs: a product of weights of F
 * makes a row at most |F|, its Frobenius norm, times as long. */
#ifndef YOCO_STREAM_BOUND_H
#define YOCO_STREAM_BOUND_H

#include "configs/model/checkpoint.h"

/* Whether any layer needs it. */
bool yoco_stream_bound_wanted(const yoco_model_shape *shape);
/* Of the embedding; infinite or NaN where a weight is, and so are the following ones. */
double yoco_stream_bound_first(const yoco_checkpoint *checkpoint);
/* Behind a layer, given what it was before. Infinite behind one whose output has no bound. */
double yoco_stream_bound_next(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                              double before);

#endif
