// Statements: the texts that people sign. docs/formats/evidence.md describes them.

const quotedText = /"(?:[^"\\]|\\["\\])*"/;
const unquote = (text) => text.slice(1, -1).replace(/\\(["\\])/g, "$1");

// The fields of a statement of one kind, free text without its quotation marks.
function readStatement(text, kind) {
  const lines = text.split("\n");
  const first = lines.shift();
  if (first !== `stint ${kind} 1`) throw new Refused(`a statement is not of the kind ${kind}`);
  if (lines.pop() !== "") throw new Refused("the last line of a statement has no end");
  const fields = Object.create(null);
  for (const line of lines) {
    const at = line.indexOf(": ");
    const name = line.slice(0, at);
    if (at < 1 || name in fields) throw new Refused("a statement has a line that is no field, or a field twice");
    const value = line.slice(at + 2);
    const whole = quotedText.exec(value);
    fields[name] = whole && whole[0] === value ? unquote(value) : value;
    fields[`${name} as written`] = value;
  }
  return fields;
}

// A list of texts, as groups are written.
function readList(written) {
  if (written === "none") return [];
  const texts = [];
  let rest = written;
  for (;;) {
    const next = quotedText.exec(rest);
    if (!next || next.index !== 0) throw new Refused("a list in a statement is not in its form");
    texts.push(unquote(next[0]));
    rest = rest.slice(next[0].length);
    if (rest === "") return texts;
    if (!rest.startsWith(", ")) throw new Refused("a list in a statement is not in its form");
    rest = rest.slice(2);
  }
}

const digestOf = async (text) => `sha256:${toHex(await sha256(utf8(text)))}`;

// Whom an identity of a statement, or of the ledger, names.
const identity = (subject) => `${subject.subject} @ ${subject.issuer}`;
