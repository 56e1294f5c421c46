package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"alexa-oidc-bridge/config"
)

func FuzzLoad(f *testing.F) {
	f.Add(good)
	f.Add("skills: {}\nproviders: [[]]\n")
	f.Add("keys: [${file:/etc/hostname}]")
	f.Add("a: &a [*a]")
	f.Add("log: &a {<<: *a, <<: [*a, 1]}\n? [x]\n: 1\nskills: &b [{allow: *b, <<: 1}]")
	f.Add("storage:\ndriver: x\nproviders:\nid: x\nlog: {level: a, level: b, skills: 1}\n")
	f.Add("lookup: {max_staleness: {}}\nstorage: []\nskills: [null, 1, {allow: null}]")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, _, err := config.Load(path)
		problems, isProblems := errors.AsType[config.Problems](err)
		switch {
		case err == nil && (loaded.Server.PublicURL == "" || len(loaded.Server.Skills) == 0 || loaded.Server.Keys == nil):
			t.Errorf("half a configuration is accepted: %+v", loaded)
		case err != nil && (!isProblems || len(problems) == 0):
			t.Errorf("not problems: %v", err)
		}
		for _, problem := range problems {
			if problem.What == "" || problem.Hint == "" || problem.Line < 1 || problem.Column < 1 {
				t.Errorf("an incomplete problem: %+v", problem)
			}
		}
	})
}
