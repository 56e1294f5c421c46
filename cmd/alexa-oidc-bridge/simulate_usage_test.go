package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"alexa-oidc-bridge/internal/testbridge"
)

// TestSimulateUsage verifies which flags are refused before anything is sent.
func TestSimulateUsage(t *testing.T) {
	const elsewhere = "--authorization-uri https://link.example.com/authorize --client-id pizza " +
		"--vendor-id M2AAAAAAAAAAAA "
	for _, tt := range []struct{ args, what, hint string }{
		{"--client-id pizza", "--authorization-uri is missing", "with the other flags"},
		{elsewhere + "--skill pizza", "--skill and --authorization-uri are given", "--client-id for one elsewhere"},
		{elsewhere + "--region us", "--region is not a region", "na, eu, fe or all"},
		{elsewhere + "--grant code", "--grant is not the name of a grant", "authorization_code"},
		{elsewhere + "--grant authorization_code", "--token-uri is missing", "Access Token URI"},
		{elsewhere + "--token-uri https://link.example.com/token", "the client secret is missing", "SIMULATE_CLIENT_SECRET"},
		{elsewhere + "--token-uri http://link.example.com/token", "--token-uri is not a URL that may be used", "https"},
		{elsewhere + "--endpoint localhost:3000", "--endpoint is not a URL that may be used", "https"},
		{elsewhere + "--userinfo-uri https://u:p@link.example.com/", "--userinfo-uri is not a URL that may be used", "https"},
		{elsewhere + "--redirect-uri https://localhost:9000/", "--redirect-uri is not one on this machine",
			"http://localhost:9000/"},
		{elsewhere + "--sign-with folder", "--endpoint is missing", "URL of the skill"},
		{elsewhere + "--endpoint https://skill.example.com/ --serve-chain 127.0.0.1:0", "--sign-with is missing", "folder"},
		{"--authorization-uri https://link.example.com/authorize --vendor-id M2AAAAAAAAAAAA", "--client-id is missing",
			"Your Client ID"},
		{"--authorization-uri https://link.example.com/authorize --client-id pizza", "--vendor-id is missing",
			"Alexa Redirect URL"},
		{"--authorization-uri https://link.example.com/authorize --client-id pizza --vendor-id m2", "--vendor-id is not",
			"copy"},
	} {
		code, stdout, stderr := runCommand(append([]string{"simulate"}, strings.Fields(tt.args)...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.what) || !strings.Contains(stderr, tt.hint) {
			t.Errorf("%s: exit code %d\n%s%s", tt.args, code, stdout, stderr)
		}
	}
	for _, tt := range []struct{ args, what string }{
		{"--client-secret-file " + filepath.Join(t.TempDir(), "none"), "no such file"},
		{"--endpoint https://skill.example.com/ --sign-with " + filepath.Join(t.TempDir(), "none"), "no such file"},
		{"--endpoint https://skill.example.com/ --serve-chain 0.0.0.0:0 --sign-with " + t.TempDir(),
			"on a loopback address only"},
	} {
		wantFailure(t, tt.what, append([]string{"simulate"}, strings.Fields(elsewhere+tt.args)...)...)
	}
}

// TestSimulateConfiguration verifies what the skill of a configuration must have.
func TestSimulateConfiguration(t *testing.T) {
	b, loopback := simulatedBridge(t, func(*testbridge.Bridge) {})
	path := simulatedConfig(t, b, "redirect_uris: ["+loopback+"]")
	code, _, stderr := runCommand("simulate", "--skill", "nobody", "--config", path)
	if code != exitUsage || !strings.Contains(stderr, "no skill has this client id") {
		t.Errorf("another skill: exit code %d, %s", code, stderr)
	}
	text := mustReadFile(t, path)
	mustWriteFile(t, path, strings.Replace(text, "[implicit, authorization_code]", "[authorization_code]", 1))
	code, _, stderr = runCommand("simulate", "--grant", "implicit", "--config", path)
	if code != exitUsage || !strings.Contains(stderr, "the skill does not have the grant implicit") {
		t.Errorf("a grant that the skill has not: exit code %d, %s", code, stderr)
	}
	text = strings.Replace(text, "vendor_ids: [M2AAAAAAAAAAAA]", "redirect_uris: [https://example.com/]", 1)
	mustWriteFile(t, path, strings.Replace(text, "redirect_uris: ["+loopback+"]", "", 1))
	code, _, stderr = runCommand("simulate", "--config", path)
	if code != exitUsage || !strings.Contains(stderr, "neither vendor_ids nor a redirect URI on this machine") {
		t.Errorf("neither: exit code %d, %s", code, stderr)
	}
	other, err := net.Listen("tcp", strings.TrimSuffix(strings.TrimPrefix(loopback, "http://"), "/back"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	path = simulatedConfig(t, b, "redirect_uris: ["+loopback+"]")
	wantFailure(t, "address already in use", "simulate", "--config", path)
}
