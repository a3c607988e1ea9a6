package screen

// Hooks are told.
type Hooks struct {
	Line func(string)
	Mark func(string)
}

func (s *Screen) leave(i int) {}
func (s *Screen) drop(i int)  {}
func (s *Screen) mark([]byte) {}

// Settle does.
func (s *Screen) Settle() {}
