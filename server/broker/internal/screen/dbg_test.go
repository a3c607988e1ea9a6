package screen

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

func TestDbg(t *testing.T) {
	seed, _ := strconv.Atoi(os.Getenv("SEED"))
	n, _ := strconv.Atoi(os.Getenv("N"))
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	options := Options{Columns: 2 + random.IntN(24), Rows: 1 + random.IntN(9), Scrollback: random.IntN(12), LineFeedReturns: random.IntN(8) == 0}
	g := generator{random, options.Columns, options.Rows, 0}
	x := startXterm(t)
	x.open(options)
	for range n {
		s := g.step()
		x.take(s)
	}
	o := x.observe(100)
	h := o
	h.Normal.Lines = nil
	h.Alt.Lines = nil
	fmt.Printf("%+v\n", h)
	for i, l := range o.Normal.Lines {
		fmt.Println(i, l.describe(observedLine{}))
	}
	nx := g.step()
	fmt.Println("next", nx)
	x.take(nx)
	o2 := x.observe(100)
	for i, l := range o2.Normal.Lines {
		fmt.Println(i, l.describe(observedLine{}))
	}
	for i, l := range o.Alt.Lines {
		fmt.Println(i, l.describe(observedLine{}))
	}
}
