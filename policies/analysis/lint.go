package analysis

// How bad a finding is.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
	SeverityNote    = "note"
)

// Finding is one thing that lint found.
type Finding struct {
	Severity string `json:"severity"`
	Rule     string `json:"rule"`           // stable, such as "collusion-one"
	File     string `json:"file,omitempty"` // where it can be told
	Line     int    `json:"line,omitempty"`
	Role     string `json:"role,omitempty"`
	Text     string `json:"text"`
	Remedy   string `json:"remedy,omitempty"`
}

// Options of Lint.
type Options struct {
	// MinCollusion makes an error of every role that fewer people get together; zero asks nothing.
	MinCollusion int
	// Tested are the roles that test cases decide on; nil: nothing is said of tests.
	Tested map[string]bool
}

// Lint tells what in a policy is dangerous, cannot work or is of no use: errors first,
// then warnings, then notes.
func (a *Analysis) Lint(options Options) []Finding { return nil }
