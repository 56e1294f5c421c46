package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/viper"
)

// maxFile bounds the configuration and what it includes by ${file:…}.
const (
	maxFile     = 1 << 20
	maxIncluded = 64 << 10
)

// source is the file after YAML and environment, before anybody looked at what it says.
type source struct {
	dir      string
	settings map[string]any
	expanded map[string]bool // the paths of texts that were not written out in the file
	broken   map[string]bool // the paths of those that could not be filled in, about which there is nothing more to say
	faults   Faults
}

func (s *source) fault(path, what, cure string) {
	if !s.broken[path] {
		s.faults = append(s.faults, Fault{path, what, cure})
	}
}

// unfilled is a fault of a ${…}, after which its text is not looked at.
func (s *source) unfilled(path, what, cure string) string {
	s.fault(path, what, cure)
	s.broken[path] = true
	return ""
}

func open(path string) (*source, error) {
	text, err := readBounded(path, maxFile)
	if err != nil {
		return nil, Faults{{What: "the configuration cannot be read: " + err.Error(),
			Cure: "name the file by --config or in $BRIDGE_CONFIG; config.example.yaml is one to begin with"}}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if faults := checkYAML(text); len(faults) > 0 {
		return nil, faults
	}
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
		return nil, Faults{notYAML(err)}
	}
	expanded := map[string]bool{}
	for _, key := range overridable() {
		variable := "BRIDGE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		if err := v.BindEnv(key, variable); err != nil {
			return nil, err
		}
		expanded[key] = os.Getenv(variable) != ""
	}
	return &source{dir: filepath.Dir(absolute), settings: v.AllSettings(), expanded: expanded, broken: map[string]bool{}}, nil
}

// readBounded reads a regular file up to a size. Anything else might never end.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it is larger than %d KiB", limit>>10)
	}
	return text, err
}

// withoutPath leaves the path out of an error: the configuration's writer knows it, and it may come out of a secret.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// keepOnly forgets all but one top-level key.
func (s *source) keepOnly(key string) {
	kept := map[string]any{}
	if value, ok := s.settings[key]; ok {
		kept[key] = value
	}
	s.settings = kept
}
