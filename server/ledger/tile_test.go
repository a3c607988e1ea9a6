package ledger

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// client reads tiles as anybody's client does: by address, nothing else.
type client struct {
	t    testing.TB
	log  *memory
	size int64
}

// Height is that of C2SP tlog-tiles.
func (c client) Height() int { return 8 }

// ReadTiles serves what the client asks for from the log.
func (c client) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, wanted := range tiles {
		tile, err := ParseTile(strings.TrimPrefix(wanted.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		if data[i], err = tile.Data(c.size, c.log); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// SaveTiles keeps nothing.
func (c client) SaveTiles([]tlog.Tile, [][]byte) {}

// TestAnIndependentClientProvesByTiles lets x/mod's own tile reader prove each
// leaf, which it refuses to do with a tile that does not hash to the root.
func TestAnIndependentClientProvesByTiles(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 700)
	for _, size := range []int64{1, 2, 255, 256, 257, 511, 512, 700} {
		root := m.checkpoint(t, int(size)).Root
		reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, client{t, m, size})
		for index := int64(0); index < size; index += 37 {
			proof, err := tlog.ProveRecord(size, index, reader)
			if err != nil {
				t.Fatalf("leaf %d of %d: %v", index, size, err)
			}
			if err := tlog.CheckRecord(proof, size, root, index, LeafHash(m.leaves[index].Data)); err != nil {
				t.Errorf("leaf %d of %d: %v", index, size, err)
			}
		}
	}
}

func TestTilesOutsideTheLogAreRefused(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 600)
	for path, there := range map[string]bool{
		"0/000": true, "0/001": true, "0/002.p/88": true, "0/002.p/1": true, "1/000.p/2": true,
		"0/002": false, "0/002.p/89": false, "1/000.p/3": false, "1/000": false, "2/000.p/1": false, "0/003.p/1": false,
		"6/000": false, "0/x281/x474/x976/x710/655": false,
	} {
		tile, err := ParseTile(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if tile.Path() != path {
			t.Errorf("%s is written %s", path, tile.Path())
		}
		data, err := tile.Data(600, m)
		if there && (err != nil || len(data) == 0 || len(data)%32 != 0) || !there && !errors.Is(err, ErrTile) {
			t.Errorf("%s: %d bytes, %v", path, len(data), err)
		}
	}
	for _, path := range []string{"", "0", "0/", "/000", "0/0", "0/1000", "0/000.p/0", "0/000.p/256", "0/000.p/01", "7/000", "-1/000", "data/000", "00/000",
		"0/../000", "entries", "entries/0", "0/x000/000", "0/" + strings.Repeat("x999/", 9) + "999"} {
		if _, err := ParseTile(path); !errors.Is(err, ErrTile) {
			t.Errorf("%q: %v", path, err)
		}
	}
	entries, err := ParseTile("entries/002.p/88")
	if err != nil || !entries.Entries() || !entries.In(600) || entries.In(599) {
		t.Fatalf("%v %v", entries, err)
	}
	if from, count := entries.Leaves(); from != 512 || count != 88 {
		t.Errorf("leaves %d, %d of them", from, count)
	}
	if _, err := entries.Data(600, m); !errors.Is(err, ErrTile) {
		t.Errorf("entries have no hashes: %v", err)
	}
}

func TestEntryBundle(t *testing.T) {
	t.Parallel()
	leaves := [][]byte{[]byte("first"), {}, make([]byte, 65535)}
	bundle, err := EntryBundle(leaves)
	if err != nil {
		t.Fatal(err)
	}
	for i, leaf := range leaves {
		length := int(binary.BigEndian.Uint16(bundle))
		if string(bundle[2:2+length]) != string(leaf) {
			t.Errorf("entry %d is not itself", i)
		}
		bundle = bundle[2+length:]
	}
	if _, err := EntryBundle([][]byte{make([]byte, 65536)}); len(bundle) != 0 || !errors.Is(err, ErrLongLeaf) {
		t.Errorf("%d bytes are left, %v", len(bundle), err)
	}
}

func FuzzParseTile(f *testing.F) {
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := ParseTile(path)
		if err != nil {
			return
		}
		if tile.Path() != path {
			t.Fatalf("%q is written %q", path, tile.Path())
		}
		if tile.In(0) {
			t.Fatalf("%q is in an empty log", path)
		}
	})
}
