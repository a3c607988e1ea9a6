package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is the height of every tile of C2SP tlog-tiles: 256 hashes wide.
const tileHeight = 8

// TileWidth is how many hashes, or entries, a full tile holds.
const TileWidth = 1 << tileHeight

// maxTilePath bounds the path of a tile: nine groups of digits at most.
const maxTilePath = 64

// ErrTile means that a path names no tile, or one that the log has not filled.
var ErrTile = errors.New("there is no such tile")

// Tile names a part of a log as C2SP tlog-tiles divides it: up to [TileWidth]
// hashes of one level, or the entries below one tile of level 0.
type Tile struct{ tile tlog.Tile }

// ParseTile reads what follows "tile/" in a tile's address: <L>/<N>[.p/<W>] or
// entries/<N>[.p/<W>], in the one spelling of each. The error is [ErrTile].
func ParseTile(path string) (Tile, error) {
	level, rest, ok := strings.Cut(path, "/")
	if !ok || len(path) > maxTilePath {
		return Tile{}, fmt.Errorf("%w: %.80q is not a tile's path", ErrTile, path)
	}
	if level == "entries" {
		level = "data"
	} else if level == "data" {
		return Tile{}, fmt.Errorf("%w: %.80q is not a tile's path", ErrTile, path)
	}
	tile, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s/%s", tileHeight, level, rest))
	if err != nil || tile.L > tlogLevels || tile.N > maxSize {
		return Tile{}, fmt.Errorf("%w: %.80q is not a tile's path", ErrTile, path)
	}
	return Tile{tile}, nil
}

// tlogLevels bounds a tile's level: above it no log of maxSize has a hash.
const tlogLevels = 48 / tileHeight

// Path is what [ParseTile] reads.
func (t Tile) Path() string {
	path := strings.TrimPrefix(t.tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	if rest, ok := strings.CutPrefix(path, "data/"); ok {
		return "entries/" + rest
	}
	return path
}

// Entries says that the tile holds entries, not hashes.
func (t Tile) Entries() bool { return t.tile.L < 0 }

// Leaves is the run of leaves that an entry tile holds.
func (t Tile) Leaves() (from int64, count int) { return t.tile.N << tileHeight, t.tile.W }

// In says whether a log of size leaves has filled the tile so far.
func (t Tile) In(size int64) bool {
	level := max(t.tile.L, 0) * tileHeight
	return size >= 0 && size <= maxSize && t.tile.N<<tileHeight+int64(t.tile.W) <= size>>level
}

// Data is the tile's hashes, one after the other, in a log of size leaves. The
// error is [ErrTile] where the log has not filled it. Entry tiles are made by
// [EntryBundle].
func (t Tile) Data(size int64, r HashReader) ([]byte, error) {
	if t.Entries() || !t.In(size) {
		return nil, fmt.Errorf("%w: a log of %d leaves has no tile %s", ErrTile, size, t.Path())
	}
	data, err := tlog.ReadTileData(t.tile, r)
	if err != nil {
		return nil, fmt.Errorf("reading the hashes of tile %s: %w", t.Path(), err)
	}
	return data, nil
}

// ErrLongLeaf means that a leaf is too long for an entry bundle, whose lengths
// have 16 bits.
var ErrLongLeaf = errors.New("a leaf is longer than an entry bundle can say")

// EntryBundle is the content of an entry tile: each leaf behind its length.
func EntryBundle(leaves [][]byte) ([]byte, error) {
	var bundle []byte
	for _, leaf := range leaves {
		if len(leaf) > math.MaxUint16 {
			return nil, ErrLongLeaf
		}
		bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(leaf))), leaf...)
	}
	return bundle, nil
}
