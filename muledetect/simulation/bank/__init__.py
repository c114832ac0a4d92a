"""What our bank sees and knows: sessions, calls, complaints, labels and watch lists; late, incomplete, partly wrong."""
