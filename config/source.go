package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Limits of the configuration file and of the files that it includes by ${file:…}.
const (
	maxFile     = 1 << 20
	maxIncluded = 64 << 10
)

func open(path string) (*builder, error) {
	text, err := readBounded(path, maxFile)
	if err != nil {
		return nil, Problems{{What: "the configuration file cannot be read: " + err.Error(),
			Hint: "set its path by --config or $BRIDGE_CONFIG; start from config.example.yaml"}}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	b := &builder{file: absolute, dir: filepath.Dir(absolute), root: root, places: map[string]place{},
		external: map[string]bool{}, faulty: map[string]bool{}, excused: map[string]bool{}, emailTrusted: map[string]bool{},
		files: map[string][]string{}, secretUses: map[string]secretUse{}, readable: map[string]bool{}}
	b.override()
	return b, nil
}

// readBounded reads a regular file of at most limit bytes. A device or a pipe might never end.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("larger than %d KiB", limit>>10)
	}
	return text, err
}

// withoutPath removes the path from an error: it may come from the value of a secret.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// override puts the values of BRIDGE_… variables in place of those of the file.
func (b *builder) override() {
	v := viper.New()
	v.SetEnvPrefix("bridge")
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()
	for _, path := range overridable() {
		if value := v.GetString(path); value != "" {
			b.external[path] = true
			set(b.root, strings.Split(path, "."), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value})
		}
	}
}

// variableFor returns the name of the variable that overrides a path.
func variableFor(path string) string {
	return "BRIDGE_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// set sets the value of a key of a mapping, or of mappings in it. A value that should be a mapping and is not stays.
func set(mapping *yaml.Node, keys []string, value *yaml.Node) {
	if len(keys) > 1 {
		inner := &yaml.Node{Kind: yaml.MappingNode}
		set(inner, keys[1:], value)
		value = inner
	}
	i := keyIndex(mapping, keys[0])
	switch {
	case i < 0:
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: keys[0]}
		mapping.Content = append(mapping.Content, key, value)
	case len(keys) == 1 || mapping.Content[i+1].Tag == "!!null":
		mapping.Content[i+1] = value
	case dealiased(mapping.Content[i+1]).Kind == yaml.MappingNode:
		set(dealiased(mapping.Content[i+1]), keys[1:], value.Content[1])
	}
}

// keyIndex returns the index of a key in the content of a mapping, or -1.
func keyIndex(mapping *yaml.Node, key string) int {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// dealiased returns the node that a node is, or is an alias of.
func dealiased(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// keepOnly removes all top-level keys but some.
func (b *builder) keepOnly(names ...string) {
	var kept []*yaml.Node
	for _, name := range names {
		if i := keyIndex(b.root, name); i >= 0 {
			kept = append(kept, b.root.Content[i:i+2]...)
		}
	}
	b.root.Content = kept
}
