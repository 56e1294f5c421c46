// Package events serves what is told about skills that were linked or disabled in the Alexa app: skill events, which
// Alexa signs or a backend forwards, and what a backend learned from Alexa's event gateway.
package events
