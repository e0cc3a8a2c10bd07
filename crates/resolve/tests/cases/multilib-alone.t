# A 32-bit package that is required comes alone.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 i686
#>=Prv: liba.so.1
#>=Pkg: a 1 1 x86_64
#>=Prv: liba.so.1()(64bit)
system x86_64 rpm system
poolflags implicitobsoleteusescolors
job install provides liba.so.1
result transaction,problems <inline>
#>install a-1-1.i686@available
