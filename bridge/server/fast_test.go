//go:build !strict

package server_test

// propertyChecks is the number of checks of TestRefreshProperty. See also the file for the build tag strict.
const propertyChecks = "10"
