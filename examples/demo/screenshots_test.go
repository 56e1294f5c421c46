//go:build strict

package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"alexa-oidc-bridge/internal/testmachine"

	"github.com/chromedp/chromedp"
)

// TestScreenshots takes the pictures of the README from the demo, with Chromium, into the folder DEMO_SCREENSHOTS, or
// into a temporary one.
func TestScreenshots(t *testing.T) {
	path, err := exec.LookPath("chromium")
	testmachine.Need(t, err == nil, "chromium is not on the PATH; install it")
	folder := os.Getenv("DEMO_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-component-update", true))
	allocator, stopAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	defer stopAllocator()
	ctx, stop := chromedp.NewContext(allocator)
	defer stop()
	if err := chromedp.Do(ctx); err != nil { // starts the browser; a time limit would be that of the whole browser
		t.Fatal(err)
	}
	demo := startServe(t)
	defer demo.stop(t)
	if err := takeScreenshots(ctx, demo.url, folder); err != nil {
		t.Fatal(err)
	}
}

// takeScreenshots links the skill by the code grant, asks it, and takes a picture of the consent page and of the
// demo.
func takeScreenshots(ctx context.Context, url, folder string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	click := func(selector string) chromedp.Action[chromedp.Void] { return chromedp.Click(chromedp.CSS(selector)) }
	err := chromedp.Do(ctx,
		chromedp.EmulateViewport(375, 667, chromedp.EmulateScale(1.5)),
		chromedp.Navigate(url),
		click("input[value=authorization_code]"),
		click("form[action='/enable'] button"),
		chromedp.SendKeys(chromedp.CSS("input[name=login]"), "ada"),
		chromedp.SendKeys(chromedp.CSS("input[type=password]"), "engine"),
		click("button.main"),
		chromedp.WaitVisible(chromedp.CSS("button[value=link]")),
	)
	if err == nil {
		err = take(ctx, filepath.Join(folder, "consent.png"))
	}
	if err != nil {
		return fmt.Errorf("consent page: %w", err)
	}
	err = chromedp.Do(ctx,
		click("button[value=link]"),
		chromedp.WaitVisible(chromedp.CSS("form[action='/ask'] button")),
		chromedp.EmulateViewport(1000, 560),
		click("form[action='/ask'] button"),
		chromedp.WaitVisible(chromedp.CSS(".her")),
	)
	if err == nil {
		err = take(ctx, filepath.Join(folder, "demo.png"))
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// take writes a picture of what the window shows, smaller than Chromium encodes it.
func take(ctx context.Context, path string) error {
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	decoded, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return err
	}
	var smaller bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&smaller, decoded); err != nil {
		return err
	}
	return os.WriteFile(path, smaller.Bytes(), 0o644)
}
