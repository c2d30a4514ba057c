"""What listens to clips that are answered; nothing here delays or changes an answer."""
