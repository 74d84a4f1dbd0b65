# The start of the image redis, which takes connections from other containers without a password.
exec "$@" --protected-mode no
