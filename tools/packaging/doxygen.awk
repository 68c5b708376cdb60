# What Doxygen reads of a public header: its comments, which are plain text, as documentation. The first one is that of the file. Text is
# escaped, lines indented by four blanks or more are code and stay as they are.
function text(line) {
  if (line ~ /^ \*     /) return line
  gsub(/[<>@#\\]/, "\\\\&", line)
  return line
}

!inside && (start = index($0, "/*")) {
  before = substr($0, 1, start - 1)
  mark = before ~ /[^ ]/ ? "/**<" : "/**"
  if (!seen++) mark = mark " @file\n *"
  rest = substr($0, start + 2)
  inside = rest !~ /\*\//
  print before mark text(rest)
  next
}
inside {
  inside = $0 !~ /\*\//
  print text($0)
  next
}
{ print }
