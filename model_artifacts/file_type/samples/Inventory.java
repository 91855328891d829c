package shop.inventory;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

public final class Inventory {
    private final Map<String, Integer> stock = new HashMap<>();

    public void receive(String article, int count) {
        stock.merge(article, count, Integer::sum);
    }

    public Optional<Integer> count(String article) {
        return Optional.ofNullable(stock.get(article));
    }

    public static void main(String[] args) {
        Inventory inventory = new Inventory();
        inventory.receive("lamp", 12);
        System.out.println(inventory.count("lamp").orElse(0));
    }
}
