package files

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stint/recorder/cast"
)

func startSFTP(sink Sink) Recorder { return SFTP(sink, false) }

// Packets of both sides.
func hello() []said {
	return []said{client(packet(packetInit, 3)), target(packet(packetVersion, 3, "limits@openssh.com", "1"))}
}
func ok(id int) []byte                    { return packet(packetStatus, id, 0, "Success", "") }
func failed(id, code int) []byte          { return packet(packetStatus, id, code, "No such file", "en") }
func data(id int, p []byte) []byte        { return packet(packetData, id, p) }
func opened(id int, handle string) []byte { return packet(packetHandle, id, handle) }
func write(id int, handle string, offset int, p []byte) []byte {
	return packet(packetWrite, id, handle, uint64(offset), p)
}
func read(id int, handle string, offset, n int) []byte {
	return packet(packetRead, id, handle, uint64(offset), n)
}

// open is the opening of a file by a handle of its own.
func open(path, handle string, flags int) []said {
	return []said{client(packet(packetOpen, 1, path, flags, attributeMode, 0o644)), target(opened(1, handle))}
}

const reads, uploads = flagRead, flagWrite | flagCreate | flagTruncate

func conversation(parts ...[]said) []said { return slices.Concat(parts...) }

// conversations are what clients and servers say to one another, and what is told of it.
func conversations() map[string]struct {
	turns []said
	told  []string
	left  int // bytes that are not kept
} {
	p := bytes.Repeat([]byte("0123456789"), 10)
	all := digestOf(p)
	up := open("/up", "h", uploads)
	down := open("/down", "h", reads)
	const wrote, gets = `open 1 "/up" [write, create, truncate] [0644] ok`, `open 1 "/down" [read] [0644] ok`
	type c = struct {
		turns []said
		told  []string
		left  int
	}
	return map[string]c{
		"an upload": {conversation(hello(), up, []said{
			client(write(2, "h", 0, p[:40]), write(3, "h", 40, p[40:])), target(ok(2), ok(3)),
			client(packet(packetFsetstat, 4, "h", attributeMode|attributeTimes, 0o755, 1, 2)), target(ok(4)),
			client(packet(packetClose, 5, "h")), target(ok(5)),
		}), []string{wrote, `setstat 0 "/up" [0755] [accessed 1970-01-01T00:00:01Z, modified 1970-01-01T00:00:02Z] ok`, `write 1 "/up" 0+100 ` + all + ` whole ok`}, 100},
		"an upload of nothing": {conversation(hello(), up, []said{client(packet(packetClose, 5, "h")), target(ok(5))}),
			[]string{wrote, `write 1 "/up" 0+0 e3b0c442 whole ok`}, 0},
		"an upload that finds the disk full": {conversation(hello(), up, []said{
			client(write(2, "h", 0, p)), target(failed(2, 4)), client(packet(packetClose, 5, "h")), target(ok(5)),
		}), []string{wrote, `write 1 "/up" 0+100 ` + all + ` failure No such file`}, 100},
		"an upload that goes on": {conversation(hello(), open("/up", "h", flagWrite), []said{
			client(write(2, "h", 40, p[40:])), target(ok(2)), client(packet(packetClose, 5, "h")), target(ok(5)),
		}), []string{`open 1 "/up" [write] [0644] ok`, `write 1 "/up" 40+60 ` + digestOf(p[40:]) + ` ok`}, 60},
		"an upload in another order": {conversation(hello(), up, []said{
			client(write(2, "h", 0, p[:20]), write(3, "h", 40, p[40:]), write(4, "h", 20, p[20:40])), target(ok(4), ok(3), ok(2)),
			client(packet(packetClose, 5, "h")), target(ok(5)),
		}), []string{wrote, `write 1 "/up" 0+100 ` + all + ` whole ok`}, 40},
		"an upload with a hole": {conversation(hello(), up, []said{
			client(write(2, "h", 0, p[:20]), write(3, "h", 40, p[40:])), target(ok(3), ok(2)),
			client(packet(packetClose, 5, "h")), target(ok(5)),
		}), []string{wrote, `write 1 "/up" 0+80  ok`}, 20},
		"an upload that writes over itself": {conversation(hello(), up, []said{
			client(write(2, "h", 0, p[:20]), write(3, "h", 0, p[:20]), write(4, "h", 20, p[20:])), target(ok(2), ok(3), ok(4)),
			client(packet(packetClose, 5, "h")), target(ok(5)),
		}), []string{wrote, `write 1 "/up" 0+120  ok`}, 20},
		"an upload that is cut short": {conversation(hello(), up, []said{
			client(write(2, "h", 0, p[:20]), write(3, "h", 20, p[20:])), target(ok(2), ok(3)),
			client(packet(packetFsetstat, 4, "h", attributeSize, uint64(7))), target(ok(4)),
			client(packet(packetClose, 5, "h")), target(ok(5)),
		}), []string{wrote, `setstat 0 "/up" [size 7] ok`, `write 1 "/up" 0+100 ` + all + ` ok`}, 100},
		"an upload that sets the size": {conversation(hello(), open("/up", "h", flagWrite|flagCreate), []said{
			client(write(2, "h", 0, p)), target(ok(2)),
			client(packet(packetFsetstat, 4, "h", attributeSize, uint64(100))), target(ok(4)),
			client(packet(packetClose, 5, "h")), target(ok(5)),
		}), []string{`open 1 "/up" [write, create] [0644] ok`, `setstat 0 "/up" [size 100] ok`, `write 1 "/up" 0+100 ` + all + ` whole ok`}, 100},
		"an upload whose size cannot be set": {conversation(hello(), open("/up", "h", flagWrite|flagCreate), []said{
			client(write(2, "h", 0, p)), target(ok(2)),
			client(packet(packetFsetstat, 4, "h", attributeSize, uint64(100))), target(failed(4, 3)),
			client(packet(packetClose, 5, "h")), target(ok(5)),
		}), []string{`open 1 "/up" [write, create] [0644] ok`, `setstat 0 "/up" [size 100] permission-denied No such file`, `write 1 "/up" 0+100 ` + all + ` ok`}, 100},
		"an upload that never ends": {conversation(hello(), up, []said{client(write(2, "h", 0, p)[:60])}),
			[]string{wrote, `write 1 "/up" 0+34 ` + digestOf(p[:34]) + ` unanswered`}, 34},
		"a download": {conversation(hello(), down, []said{
			client(read(2, "h", 0, 64), read(3, "h", 64, 64), read(4, "h", 128, 64)),
			target(data(2, p[:64]), data(3, p[64:])), client(read(5, "h", 100, 28)), target(failed(4, 1), failed(5, 1)),
			client(packet(packetClose, 6, "h")), target(ok(6)),
		}), []string{gets, `read 1 "/down" 0+100 ` + all + ` whole ok`}, 100},
		"a download of answers in another order": {conversation(hello(), down, []said{
			client(read(2, "h", 0, 50), read(3, "h", 50, 50), read(4, "h", 100, 50)),
			target(failed(4, 1), data(3, p[50:]), data(2, p[:50])),
			client(packet(packetClose, 6, "h")), target(ok(6)),
		}), []string{gets, `read 1 "/down" 0+100 ` + all + ` whole ok`}, 50},
		"a download of a part": {conversation(hello(), down, []said{
			client(read(2, "h", 50, 20)), target(data(2, p[50:70])), client(packet(packetClose, 6, "h")), target(ok(6)),
		}), []string{gets, `read 1 "/down" 50+20 ` + digestOf(p[50:70]) + ` ok`}, 20},
		"a download that leaves something out": {conversation(hello(), down, []said{
			client(read(2, "h", 0, 20), read(3, "h", 90, 50)), target(data(2, p[:20]), failed(3, 1)), client(packet(packetClose, 6, "h")), target(ok(6)),
		}), []string{gets, `read 1 "/down" 0+20 ` + digestOf(p[:20]) + ` ok`}, 20},
		"a download that fails": {conversation(hello(), down, []said{
			client(read(2, "h", 0, 20)), target(failed(2, 4)), client(packet(packetClose, 6, "h")), target(ok(6)),
		}), []string{gets, `read 1 "/down" 0+0 e3b0c442 failure No such file`}, 0},
		"two at once": {conversation(hello(), up, []said{
			client(packet(packetOpen, 9, "/two", uploads, 0)), target(opened(9, "i")),
			client(write(2, "h", 0, p[:20]), write(3, "i", 0, p[:30]), write(4, "h", 20, p[20:]), write(5, "i", 30, p[30:])), target(ok(2), ok(3), ok(4), ok(5)),
			client(packet(packetClose, 6, "i"), packet(packetClose, 7, "h")), target(ok(6), ok(7)),
		}), []string{wrote, `open 2 "/two" [write, create, truncate] ok`, `write 2 "/two" 0+100 ` + all + ` whole ok`, `write 1 "/up" 0+100 ` + all + ` whole ok`}, 200},
		"what else there is": {conversation(hello(), []said{
			client(packet(packetRealpath, 1, "."), packet(packetStat, 2, "a"), packet(packetOpendir, 3, "d\xff")), target(packet(packetName, 1, 1, "/", "x", 0), failed(2, 2), opened(3, "d")),
			client(packet(packetReaddir, 4, "d"), packet(packetClose, 5, "d")), target(failed(4, 1), ok(5)),
			client(packet(packetMkdir, 1, "m", attributeMode, 0o40700), packet(packetRmdir, 2, "m"), packet(packetRemove, 3, "r"), packet(packetRename, 4, "a", "b")), target(ok(1), ok(2), failed(3, 3), packet(packetStatus, 4, 0)),
			client(packet(packetSymlink, 1, "to", "link"), packet(packetSetstat, 2, "s", attributeSize|attributeOwner, uint64(9), 5, 6)), target(ok(1), ok(2)),
			client(packet(packetExtended, 1, "posix-rename@openssh.com", "a", "b"), packet(packetExtended, 2, "hardlink@openssh.com", "a", "b"), packet(packetExtended, 3, "statvfs@openssh.com", "/"), packet(packetExtended, 4, "lsetstat@openssh.com", "l", attributeMode, 0o777)),
			target(ok(1), ok(2), packet(packetExtendedReply, 3, uint64(1)), ok(4)),
		}), []string{`list 0 "d\xff" ok`, `mkdir 0 "m" [0700] ok`, `rmdir 0 "m" ok`, `remove 0 "r" permission-denied No such file`, `rename 0 "a" [b] ok`,
			`symlink 0 "link" [to] ok`, `setstat 0 "s" [size 9, owner 5:6] ok`, `rename 0 "a" [b] [replacing] ok`, `link 0 "a" [b] ok`, `setstat 0 "l" [of the link itself] [0777] ok`}, 0},
		"what nobody answers": {conversation(hello(), []said{client(packet(packetRemove, 1, "r"))}), []string{`remove 0 "r" unanswered`}, 0},
		"a copy at the target": {conversation(hello(), up, []said{
			client(packet(packetOpen, 9, "/from", reads, 0)), target(opened(9, "i")),
			client(packet(packetExtended, 2, "copy-data", "i", uint64(0), uint64(0), "h", uint64(0))), target(ok(2)),
			client(packet(packetClose, 6, "i"), packet(packetClose, 7, "h")), target(ok(6), ok(7)),
		}), []string{wrote, `open 2 "/from" [read] ok`, `copy 0 "/from" [/up] [to offset 0] ok`, `write 1 "/up" 0+0 e3b0c442 ok`}, 0},
	}
}

func TestSFTPConversations(t *testing.T) {
	t.Parallel()
	for name, c := range conversations() {
		for _, chunk := range []int{1, 7, 1 << 20} {
			got := play(t, startSFTP, chunk, c.turns)
			if diff := cmp.Diff(c.told, got.told()); diff != "" || got.leftOut() != c.left {
				t.Errorf("%s, in chunks of %d: %d bytes are left out of %d\n%s", name, chunk, got.leftOut(), c.left, diff)
			}
		}
		kept := play(t, func(sink Sink) Recorder { return SFTP(sink, true) }, 64, c.turns)
		if diff := cmp.Diff(c.told, kept.told()); diff != "" || kept.leftOut() != 0 {
			t.Errorf("%s, with content: %d bytes are left out\n%s", name, kept.leftOut(), diff)
		}
	}
}

// Whatever deviates has every byte kept from there on; that is told, and what was open.
func TestSFTPDeviations(t *testing.T) {
	t.Parallel()
	up, down := conversation(hello(), open("/up", "h", uploads)), conversation(hello(), open("/down", "h", reads))
	lie := func(p []byte, at int, by byte) []byte {
		p = bytes.Clone(p)
		p[at] += by
		return p
	}
	manyOpen := conversation(hello())
	for i := range maxHandles + 1 {
		manyOpen = append(manyOpen, client(packet(packetOpendir, i, "d")), target(opened(i, fmt.Sprint(i))))
	}
	manyAsked := conversation(hello())
	for i := range maxRequests + 1 {
		manyAsked = append(manyAsked, client(packet(packetStat, i, "d")))
	}
	for name, turns := range map[string][]said{
		"no SFTP at all":                {target([]byte("Welcome to db1\n"))},
		"another version":               {client(packet(packetInit, 3)), target(packet(packetVersion, 6))},
		"an older client":               {client(packet(packetInit, 2))},
		"no beginning":                  {client(packet(packetStat, 1, "x"))},
		"two beginnings":                conversation(hello(), []said{client(packet(packetInit, 3))}),
		"a length of 0":                 conversation(hello(), []said{client([]byte{0, 0, 0, 0, 0})}),
		"a length of 4 GiB":             conversation(hello(), []said{client([]byte{255, 255, 255, 255, packetWrite})}),
		"a path of a megabyte":          conversation(hello(), []said{client(packet(packetStat, 1, strings.Repeat("x", 100_000)))}),
		"a packet longer than it is":    conversation(up, []said{client(lie(write(2, "h", 0, []byte("abc")), 3, 1))}),
		"a packet shorter than it is":   conversation(up, []said{client(lie(write(2, "h", 0, []byte("abc")), 3, 255))}),
		"a path longer than its packet": conversation(hello(), []said{client(lie(packet(packetStat, 1, "x"), 12, 1))}),
		"a long handle":                 conversation(up, []said{client(write(2, strings.Repeat("h", 300), 0, []byte("abc")))}),
		"an unknown handle":             conversation(up, []said{client(write(2, "i", 0, []byte("abc")))}),
		"a closed handle":               conversation(up, []said{client(packet(packetClose, 2, "h")), client(write(3, "h", 0, []byte("abc")))}),
		"a directory that is written":   conversation(hello(), []said{client(packet(packetOpendir, 1, "d")), target(opened(1, "h")), client(write(2, "h", 0, []byte("abc")))}),
		"an offset without end":         conversation(up, []said{client(packet(packetWrite, 2, "h", uint64(math.MaxUint64), "abc"))}),
		"a number twice":                conversation(up, []said{client(read(2, "h", 0, 5), read(2, "h", 5, 5))}),
		"an answer to nothing":          conversation(hello(), []said{target(ok(1))}),
		"a second answer":               conversation(down, []said{client(read(2, "h", 0, 5)), target(data(2, []byte("abcde")), data(2, []byte("abcde")))}),
		"content for a question":        conversation(down, []said{client(packet(packetStat, 2, "x")), target(data(2, []byte("abcde")))}),
		"a handle for a question":       conversation(down, []said{client(packet(packetStat, 2, "x")), target(opened(2, "i"))}),
		"names for a removal":           conversation(down, []said{client(packet(packetRemove, 2, "x")), target(packet(packetName, 2, 0))}),
		"more than was asked for":       conversation(down, []said{client(read(2, "h", 0, 4)), target(data(2, []byte("abcde")))}),
		"success without content":       conversation(down, []said{client(read(2, "h", 0, 4)), target(ok(2))}),
		"a handle twice":                conversation(down, []said{client(packet(packetOpen, 2, "x", reads, 0)), target(opened(2, "h"))}),
		"content of a closed file":      conversation(down, []said{client(read(2, "h", 0, 4), packet(packetClose, 3, "h")), target(ok(3), data(2, []byte("abc")))}),
		"an unknown request":            conversation(hello(), []said{client(packet(99, 1))}),
		"an unknown answer":             conversation(hello(), []said{client(packet(packetStat, 1, "x")), target(packet(150, 1))}),
		"an unknown extension":          conversation(hello(), []said{client(packet(packetExtended, 1, "run@example.com", "sh"))}),
		"an answer by the client":       conversation(hello(), []said{client(ok(1))}),
		"attributes of the future":      conversation(hello(), []said{client(packet(packetMkdir, 1, "x", 1<<6))}),
		"too many open":                 manyOpen,
		"too many questions":            manyAsked,
	} {
		for _, chunk := range []int{1, 1 << 20} {
			before := play(t, startSFTP, chunk, turns)
			after := play(t, startSFTP, chunk, conversation(turns, []said{
				client(write(70, "h", 0, make([]byte, 50))), target(data(70, make([]byte, 50)), []byte("anything")),
			}))
			if !before.isPlain() || after.leftOut() != before.leftOut() {
				t.Errorf("%s, in chunks of %d: %q, and then %d bytes are left out", name, chunk, before.told(), after.leftOut()-before.leftOut())
			}
		}
	}
	cut := play(t, startSFTP, 1, conversation(up, []said{client(write(2, "h", 0, []byte("abc"))), target(ok(3))}))
	if got := cut.told(); len(got) != 3 || !strings.HasPrefix(got[1], `write 1 "/up" 0+3 ba7816bf unanswered`) {
		t.Errorf("of what was open then it tells %q", got)
	}
}

// Content that comes long before its turn waits for it only as far as there is room.
func TestSFTPWaitsWithBoundedMemory(t *testing.T) {
	t.Parallel()
	const block, blocks = 32 << 10, window/(32<<10) + 8
	turns := conversation(hello(), open("/up", "h", uploads), []said{client(write(2, "h", 0, []byte("x"))), target(ok(2))})
	for i := blocks - 1; i >= 0; i-- {
		turns = append(turns, client(write(2, "h", 1+i*block, make([]byte, block))), target(ok(2)))
	}
	tape := newTape()
	r := startSFTP(tape)
	for _, turn := range turns {
		tape.pass(t, r, turn.stream(), turn.bytes)
		if waiting := r.(*parsed).protocol.(*sftp).waiting; waiting < 0 || waiting > window {
			t.Fatalf("%d bytes wait", waiting)
		}
	}
	if err := r.Flush(); err != nil {
		t.Error(err)
	}
	if err := tape.whole(); err != nil || tape.isPlain() {
		t.Error(err, tape.told())
	}
	if waiting := r.(*parsed).protocol.(*sftp).waiting; waiting != 0 {
		t.Errorf("%d bytes wait for nothing", waiting)
	}
}

// Pieces are told in time, and nothing passes that was not recorded.
func TestSFTPTellsInPieces(t *testing.T) {
	t.Parallel()
	const size = 3*pieceBytes - 12345
	turns := conversation(hello(), open("/up", "h", uploads))
	for at := 0; at < size; at += 30_000 {
		turns = append(turns, client(write(2, "h", at, make([]byte, min(30_000, size-at)))), target(ok(2)))
	}
	tape := play(t, startSFTP, 32<<10, turns)
	pieces := 0
	for _, event := range tape.events {
		if b, ok := event.(cast.Bulk); ok {
			pieces++
			if b.Size() > pieceBytes+32<<10 || b.File != 1 {
				t.Errorf("a piece has %d bytes of file %d", b.Size(), b.File)
			}
		}
	}
	if pieces != 3 || tape.leftOut() != size {
		t.Errorf("%d bytes in %d pieces", tape.leftOut(), pieces)
	}

	full := newTape()
	full.full = 6
	r := startSFTP(full)
	for _, turn := range turns {
		if err := r.Record(turn.stream(), turn.bytes); err != nil {
			if full.taken != 6 || r.Flush() == nil || r.Close() == nil || r.Record(cast.KindErrorOutput, []byte("x")) == nil || full.taken != 6 {
				t.Error("after a failure something is recorded")
			}
			return
		}
	}
	t.Error("what is not recorded goes through")
}

func BenchmarkSFTP(b *testing.B) {
	tape := discard{}
	r := SFTP(tape, false)
	for _, turn := range conversation(hello(), open("/up", "h", uploads)) {
		_ = r.Record(turn.stream(), turn.bytes)
	}
	payload, answer := make([]byte, 32<<10), ok(2)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		asked := write(2, "h", i*len(payload), payload)
		b.StartTimer()
		if r.Record(cast.KindInput, asked) != nil || r.Record(cast.KindOutput, answer) != nil {
			b.Fatal("not recorded")
		}
	}
}

type discard struct{}

func (discard) Bytes(cast.Kind, []byte) error { return nil }
func (discard) Event(cast.Body) error         { return nil }
