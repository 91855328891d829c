using System;
using System.Collections.Generic;
using System.Linq;

namespace Harbour
{
    public record Ship(string Name, double Draught);

    public static class Program
    {
        public static void Main(string[] args)
        {
            var ships = new List<Ship> { new("Aurora", 7.2), new("Borealis", 9.8) };
            foreach (var ship in ships.Where(s => s.Draught < 9).OrderBy(s => s.Name))
            {
                Console.WriteLine($"{ship.Name}: {ship.Draught:F1} m");
            }
        }
    }
}
