package border

import (
	"errors"
	"fmt"
	"os"
)

// MaxConfig bounds a configuration file, in bytes.
const MaxConfig = 1 << 20

// ReadConfig reads the configuration file of one of our processes: one JSON value
// of at most [MaxConfig] bytes and nothing behind it, in which every name is known
// and stands once in its object. check then says what in it cannot work. Every
// error names the file; the configuration counts only where there is none.
func ReadConfig[Config any](path string, check func(Config) error) (Config, error) {
	var config, none Config
	fail := func(err error) (Config, error) { return none, fmt.Errorf("the configuration %s: %w", path, err) }
	file, err := os.Open(path)
	if err != nil {
		return none, fmt.Errorf("reading the configuration: %w", err)
	}
	text, err := ReadAtMost(file, MaxConfig)
	if err := errors.Join(err, file.Close()); err != nil {
		return fail(err)
	}
	if err := DecodeStrict(text, &config); err != nil {
		return fail(err)
	}
	if err := CheckNames(text); err != nil {
		return fail(err)
	}
	if err := check(config); err != nil {
		return fail(err)
	}
	return config, nil
}
