#!/bin/bash
# Text in UTF-16, compressed files, Git LFS pointers, pages of HTML: one line says what a file is and
# what to do; odd documents in UTF-8 or Latin-1 are read as they are.
# shellcheck source=tests/field/driver.sh
. "${BASH_SOURCE[0]%/*}/driver.sh"

write_log "$folder/log.txt"
write_jobs "$folder/jobs.jsonl"
log=$folder/log.txt

# Documents: -f of run and of context save, haystacks, documents of a batch.
iconv -t UTF-16 "$log" >"$folder/u16"
iconv -t UTF-16BE "$log" >"$folder/u16be"
iconv -t UTF-32 "$log" >"$folder/u32"
gzip -c "$log" >"$folder/gz"
xz -c "$log" >"$folder/xz"
bzip2 -c "$log" >"$folder/bz2"
printf '%%PDF-1.7\n1 0 obj\n' >"$folder/pdf"
printf '\x89PNG\r\n\x1a\n\0\0\0\rIHDR' >"$folder/png"
printf 'PK\x03\x04\x14\0\0\0' >"$folder/docx"
printf 'GGUF\x03\0\0\0\x10\0\0\0' >"$folder/gguf"
printf '\x80\x02\x8a\nl\xfc' >"$folder/pth"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 132\n' 0 >"$folder/lfs"
refuse_document() {
    expect 65 "$1 is $2" "$yoco" run -m "$demo" -f "$folder/$1" -q x -n 1
}
refuse_document u16 "UTF-16 text.*iconv -f UTF-16 -t UTF-8"
refuse_document u32 "UTF-32 text.*iconv -f UTF-32 -t UTF-8"
refuse_document gz "gzip data.*gunzip"
refuse_document xz "xz data.*unxz"
refuse_document bz2 "bzip2 data.*bunzip2"
refuse_document pdf "a PDF.*pdftotext"
refuse_document png "a PNG image"
refuse_document docx "a ZIP archive.*unzip"
refuse_document gguf "weights in the GGUF format"
refuse_document pth "a Python pickle"
refuse_document lfs "a Git LFS pointer.*git lfs pull"
expect 65 "u16 is UTF-16 text" "$yoco" context save -m "$demo" -f "$folder/u16" -o "$folder/c"
[ ! -e "$folder/c" ] || fail "a context of a refused document"
expect 65 "gz is gzip data" "$yoco" eval -m "$demo" --haystack "$folder/gz" -o "$folder/e" --length 4096
job d '"document":{"path":"u16"},"prompt":"Who?","max_tokens":2' >"$folder/d.jsonl"
expect 65 "d.jsonl:1: body.document.path is UTF-16 text" \
    "$yoco" batch -m "$demo" -i "$folder/d.jsonl" --documents "$folder" --validate-only

# What may be wanted is read, with a warning.
echo '<!DOCTYPE html><html><body>Sea</body></html>' >"$folder/page.html"
succeed "$yoco" run -m "$demo" -f "$folder/page.html" -n 1
grep -q 'warning: .*page.html is a page of HTML' "$folder/err" || fail "no warning of HTML"
succeed "$yoco" run -m "$demo" -f "$folder/u16be" -n 1
grep -q 'warning: .*u16be looks like UTF-16BE text.*iconv' "$folder/err" || fail "no warning of UTF-16BE"

# Odd documents stay what they are, without a word.
printf '\xef\xbb\xbfmark' >"$folder/mark"
printf 'caf\xe9 au lait\n' >"$folder/latin1"
printf 'a\0b\0\0c, and more\0' >"$folder/nuls"
find "$source/docs" -print0 >"$folder/names"
printf '\xff\xfe\xfd\xfc\xfb\xfa\xdf\xde\xdd' >"$folder/bytes"
printf 'GGUF is a format of files, and BZh begins others.\n' >"$folder/words"
printf '\xff\xfe' >"$folder/short"
for name in mark latin1 nuls names bytes words; do
    succeed "$yoco" run -m "$demo" -f "$folder/$name" -n 1
    ! grep -q 'warning' "$folder/err" || fail "a warning of $name"
done

# Data: JSON, JSON Lines, ids, ranks, weights.
iconv -t UTF-16 "$folder/jobs.jsonl" >"$folder/j16"
iconv -t UTF-16LE "$folder/jobs.jsonl" >"$folder/j16le"
gzip -c "$folder/jobs.jsonl" >"$folder/jobs.gz"
for name in j16 j16le; do
    expect 65 "$name (is|looks like) UTF-16.* text" "$yoco" batch -m "$demo" -i "$folder/$name" --validate-only
done
expect 65 "jobs.gz is gzip data" "$yoco" batch -m "$demo" -i "$folder/jobs.gz" --validate-only
expect 65 "page.html is a page of HTML" "$yoco" batch -m "$demo" -i "$folder/page.html" --validate-only
expect 65 "u16 is UTF-16 text" "$yoco" run -m "$demo" --prompt-ids "$folder/u16" -n 1
expect 65 "gz is gzip data" "$yoco" run -m "$demo" -p x --question-ids "$folder/gz" -n 1
expect 65 "page.html is a page of HTML" "$yoco" info -m "$folder/page.html"
expect 65 "gguf is weights in the GGUF format" "$yoco" info -m "$folder/gguf"
expect 65 "model.safetensors is a safetensors file: give the folder" "$yoco" info -m "$demo/model.safetensors"
expect 65 "lfs is a Git LFS pointer" "$yoco" plan -m "$source/configs/shapes/yoco-demo-window.json" \
    --tokens 16K --time --hardware "$folder/lfs"
spoil() { # FILE OF THE MODEL, FILE, WHAT IT IS
    copy_model "$folder/spoilt"
    cp "$folder/$2" "$folder/spoilt/$1"
    expect 65 "$1 is $3" "$yoco" run -m "$folder/spoilt" -p hi -n 1
}
spoil model.safetensors lfs "a Git LFS pointer.*git lfs pull"
spoil model.safetensors pth "a Python pickle.*convert_checkpoint"
spoil model.safetensors docx "a ZIP archive.*convert_checkpoint"
spoil model.safetensors page.html "a page of HTML"
spoil params.json u16 "UTF-16 text"
spoil yoco_tokenizer.json lfs "a Git LFS pointer"
spoil demo.tiktoken gz "gzip data"

# A mark at the start of data is skipped, and a Ctrl-Z at its end.
{ printf '\xef\xbb\xbf'; cat "$folder/jobs.jsonl"; printf '\x1a'; } >"$folder/marked"
succeed "$yoco" batch -m "$demo" -i "$folder/marked" --validate-only
copy_model "$folder/marked_model"
for name in params.json yoco_tokenizer.json demo.tiktoken; do
    { printf '\xef\xbb\xbf'; cat "$folder/marked_model/$name"; } >"$folder/new"
    mv "$folder/new" "$folder/marked_model/$name"
done
succeed "$yoco" run -m "$folder/marked_model" -f "$log" -q "$question" -n 8
holds 73914
printf '\xef\xbb\xbf5 6 7' >"$folder/ids"
succeed "$yoco" run -m "$demo" --prompt-ids "$folder/ids" -n 1
finish
