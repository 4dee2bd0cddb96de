#!/bin/bash
# A file whose name was written with decomposed letters, as macOS does, asked for with composed ones.
# shellcheck source=tests/field/driver.sh
. "${BASH_SOURCE[0]%/*}/driver.sh"

nfd=$'cafe\u0301' nfc=$'caf\u00e9'
mkdir "$folder/$nfd"
write_log "$folder/$nfd.txt"
write_log "$folder/$nfd/log.txt"
hint="another Unicode form"

expect 66 "cannot open .*$hint" "$yoco" run -m "$demo" -f "$folder/$nfc.txt" -n 1
expect 66 "cannot open .*$hint" "$yoco" run -m "$demo" -f "$folder/$nfc/log.txt" -n 1
cd "$folder" || exit 1
expect 66 "cannot open .*$hint" "$yoco" run -m "$demo" -f "$nfc.txt" -n 1
expect 66 "cannot open .*$hint" "$yoco" batch -m "$demo" -i "$nfc.txt" --validate-only
expect 66 "cannot open .*$hint" "$yoco" run -m "$demo" --prompt-ids "$nfc.txt" -n 1
expect 66 "cannot open .*$hint" "$yoco" eval -m "$demo" --haystack "$nfc.txt" -o e --length 4096
expect 66 "cannot open .*$hint" "$yoco" info -m "$nfc"
expect 66 "cannot open .*$hint" "$yoco" run -m "$demo" --context "$nfc" -q x -n 1
expect 66 "cannot open .*$hint" "$yoco" batch -m "$demo" -i "$nfd.txt" --documents "$nfc" --validate-only
expect 66 "cannot write --dump .*$hint" "$yoco" run -m "$demo" -p hi -n 1 --dump "$nfc/d"
expect 66 "cannot write --output .*$hint" "$yoco" batch -m "$demo" -i "$nfd.txt" -o "$nfc/r"
expect 66 "cannot write --output .*$hint" "$yoco" context save -m "$demo" -p hi -o "$nfc/c"
refuse_document() {
    job a "\"document\":{\"path\":\"$1\"},\"prompt\":\"Who?\",\"max_tokens\":2" >jobs.jsonl
    expect 65 "body.document.path .*$2" "$yoco" batch -m "$demo" -i jobs.jsonl --documents "${3:-.}" --validate-only
}
refuse_document 'caf\u00e9.txt' "$hint"
refuse_document 'caf\u00e9/log.txt' "$hint"

# No hint where the name is not there in any form, or lies outside of the documents.
expect 66 "No such file or directory$" "$yoco" run -m "$demo" -f "$folder/th$nfc.txt" -n 1
mkdir inside
refuse_document '../caf\u00e9.txt' 'leads out of the folder of documents$' inside
finish
