package deployments_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestProgram asks the program itself: whether it has the commands that the examples use, and whether the steps of their
// READMEs lead from nothing to a check that passes.
func TestProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "alexa-oidc-bridge")
	build := exec.Command("go", "build", "-race=false", "-trimpath", "-o", program, "../../cmd/alexa-oidc-bridge")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	t.Run("commands", func(t *testing.T) { wantCommands(t, program) })
	t.Run("compose from nothing", func(t *testing.T) { composeFromNothing(t, program) })
	t.Run("kubernetes from nothing", func(t *testing.T) { kubernetesFromNothing(t, program) })
}

// commandLine is the program or its image, as READMEs and manifests name it, and what is said to it.
var commandLine = regexp.MustCompile(`(?:/alexa-oidc-bridge|docker run .*(?:alexa-oidc-bridge|\$image)|docker compose run .* bridge-[12])((?: [a-z-][a-z_-]*)+)`)

func wantCommands(t *testing.T, program string) {
	said := map[string]bool{"serve": true, "health": true} // TestComposeReplicas and TestKubernetesHardened want these
	for _, folder := range []string{composeFolder, kubernetesFolder} {
		for _, match := range commandLine.FindAllStringSubmatch(read(t, folder, "README.md"), -1) {
			said[strings.TrimSpace(match[1])] = true
		}
	}
	for _, want := range []string{"secret", "check", "links list"} {
		if !said[want] {
			t.Errorf("%q is not among %q: are commands still found?", want, slices.Sorted(maps.Keys(said)))
		}
	}
	for line := range said {
		wantCommand(t, program, line)
	}
	if help, _ := exec.Command(program, "serve", "--help").Output(); !strings.Contains(string(help), "within 8 seconds of SIGTERM") {
		t.Error("serve no longer promises 8 seconds")
	}
}

func wantCommand(t *testing.T, program, line string) {
	t.Helper()
	var words []string
	var flags []string
	for _, word := range strings.Fields(line) {
		if name, _, _ := strings.Cut(word, "="); strings.HasPrefix(word, "-") {
			flags = append(flags, name)
			continue
		}
		words = append(words, word)
	}
	help, err := exec.Command(program, append(words, "--help")...).CombinedOutput()
	if usage := "\n  alexa-oidc-bridge " + strings.Join(words, " ") + " "; err != nil || !strings.Contains(string(help), usage) {
		t.Errorf("there is no command %q: %v", line, err)
	}
	for _, flag := range flags {
		if !strings.Contains(string(help), flag+" ") {
			t.Errorf("%q: there is no flag %s", line, flag)
		}
	}
}

// steps are the commands of a README.
func steps(t *testing.T, folder string) string {
	t.Helper()
	blocks := regexp.MustCompile("(?s)```sh\n(.+?)```").FindAllStringSubmatch(read(t, folder, "README.md"), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d blocks of commands", len(blocks))
	}
	return blocks[0][1]
}

// play runs commands in a folder, with programs that stand in for Docker, kubectl and an editor.
func play(t *testing.T, folder, commands string, programs map[string]string) string {
	t.Helper()
	_, err := exec.LookPath("sh")
	need(t, err == nil, "no sh to run the steps of a README")
	bin := t.TempDir()
	for name, script := range programs {
		file := filepath.Join(bin, name)
		write(t, "#!/bin/sh\nset -eu\n"+script, file)
		if err := os.Chmod(file, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var output bytes.Buffer
	shell := exec.Command("sh", "-eu")
	shell.Dir, shell.Stdin, shell.Stdout, shell.Stderr = folder, strings.NewReader(commands), &output, &output
	shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "EDITOR=edit", "BRIDGE_CONFIG=config.yaml")
	if err := shell.Run(); err != nil {
		t.Errorf("%v: %s", err, output.String())
	}
	return output.String()
}

// edit stands in for an editor: it writes a secret into what is empty, and leaves alone what is there.
const edit = `for file; do [ -s "$file" ] || echo "0123456789abcdef0123456789abcdef" > "$file"; done`

func wantCheck(t *testing.T, output string) {
	t.Helper()
	if !strings.Contains(output, "the configuration is good") {
		t.Errorf("check has not passed: %s", output)
	}
}

func composeFromNothing(t *testing.T, program string) {
	here := copyExample(t, composeFolder)
	secrets := filepath.Join(here, "secrets")
	write(t, strings.ReplaceAll(read(t, here, "config.yaml"), "/run/secrets", secrets), here, "config.yaml")
	docker := `case "$*" in
"build -t alexa-oidc-bridge ../.." | "compose up "*) ;;
"run --rm alexa-oidc-bridge "*) shift 3; exec ` + program + ` "$@" ;;
"compose run --rm --no-deps bridge-1 "*) shift 5; set -a; . ./.env; exec ` + program + ` "$@" ;;
*) echo "docker $*?"; exit 1 ;;
esac`
	wantCheck(t, play(t, here, steps(t, composeFolder), map[string]string{"docker": docker, "edit": edit}))
	var defined []string
	for name := range decode[composeFile](t, composeFolder, "compose.yaml").Secrets {
		defined = append(defined, name)
	}
	wantSame(t, "secrets that README.md makes", filesIn(t, secrets), defined)
	for _, name := range defined {
		if info, err := os.Stat(filepath.Join(secrets, name)); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v: other users read it in the containers", name, info.Mode(), err)
		}
	}
	if info, err := os.Stat(secrets); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("secrets: %v, %v", info.Mode(), err)
	}
}

func kubernetesFromNothing(t *testing.T, program string) {
	here := copyExample(t, kubernetesFolder)
	docker := `case "$*" in
"build -t "* | "push "*) ;;
"run --rm registry.example.com/alexa-oidc-bridge:"*" secret") exec ` + program + ` secret ;;
"run --rm --user "*":` + filepath.Dir(dockerfile(t).config) + `:ro registry.example.com/alexa-oidc-bridge:"*" check") exec ` + program + ` check ;;
*) echo "docker $*?"; exit 1 ;;
esac`
	wantCheck(t, play(t, here, steps(t, kubernetesFolder), map[string]string{"docker": docker, "edit": edit, "kubectl": ":"}))
	wantSame(t, "secrets that README.md makes", filesIn(t, filepath.Join(here, "secrets")), readManifest(t).secretFiles(t))
}

func filesIn(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
