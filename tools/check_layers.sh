#!/bin/bash
# Holds the house of layers (docs/DESIGN.md, "Layers"): what computes, plans or measures asks a layer's shape, never which
# family of models it is of nor which half it stands in. Kinds of layers are named in worker/layers only. Prints every
# offending line and exits with 1 if there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

rooms=(worker kernels partition coordinator)
bad=0

# refuse WHAT PATTERN FILE...: no line of these files may match.
refuse() {
    local what=$1 pattern=$2
    shift 2
    if git grep -nE --untracked "$pattern" -- "$@"; then
        echo "    ^ $what"
        bad=1
    fi
}

refuse "asks for the family of the model, or for its halves" \
    '\b(n_self|n_cross|n_self_layers|n_self_heads|is_retention|sliding_window|n_layers */ *2)\b|yoco_(model_)?config_|yoco_model_config|shape->config' \
    "${rooms[@]/%//*.[ch]}" 'kernels/*.cu' 'kernels/*.cuh'
refuse "names a kind of layer" '\bYOCO_LAYER_[A-Z]+' \
    "${rooms[@]/%//*.[ch]}" ':!worker/layers/*' ':!partition/transformer.c'
refuse "knows what a kind of layer asks for, or tells users its name" 'YOCO_(RETENTION|DELTA)_ROWS|"[^"]*\b[Rr]etention\b.*"' \
    'coordinator/*.[ch]'

[ $bad = 0 ] || exit 1
echo "no room asks for a family of models"
