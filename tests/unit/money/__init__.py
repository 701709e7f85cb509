"""What calls cost: prices, price files, amounts."""
