// The answer is in the fragment, which the browser keeps to itself. Hand it to Alexa, and take it out of the address bar
// and the history.
const form = document.querySelector("form");
form.elements.fragment.value = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
form.submit();
